package tape

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A telling is a way in which a tape learns of a stream.
type telling int

const (
	asBlocks telling = iota
	asRecords
	withoutShapes // each event is looked at as if it was the first
)

// streamTape returns the tape of a stream.
func streamTape(t *testing.T, text string, how telling) string {
	t.Helper()
	r := newRecorder(t)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	request := &exchange.Request{Time: at, Method: "GET", URL: &url.URL{Path: "/"}, Header: http.Header{"Authorization": {"Bearer Abcdefg-Secret-1234"}}}
	request.Finished()
	w := r.Watch(request)
	w.Response(&exchange.Response{Time: at, Status: 200, Header: sse, Stream: true})
	for block, err := range stream.NewDecoder(strings.NewReader(text)).Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		if how == withoutShapes {
			w.(*tape).cleaner.shapes = nil
		}
		if how == asRecords {
			r := record.FromBlock(block, at)
			w.Event(&r)
		} else {
			exchange.Tell(w, block, at)
		}
	}
	w.End(exchange.End{Time: at, How: exchange.Whole})
	return tapes(t, r.Dir)
}

// The quick look at blocks leaves on tape the same as the look at records.
func TestBlocksAsRecords(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{
		" word", "s", "sk", "-", "sk-proj-", "0123456789abcdefABCDEF", "Abcdefg", "-Secret-1234", "", "\\n", "\\", `\"`, "ü", "\xff", "AKIA", "://", "me:open@h", "eyJ", "x",
		" and so on and on",
	}
	shapes := []string{
		"data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"%s\"},\"n\":null}]}\n\n",
		"event: e\ndata: {\"delta\":\"%s\"}\n\n", "id: 7\ndata: {\"delta\":\"%s\"}\n\n", "data: {\"password\":\"%s\",\"a\":\"b\"}\n\n", "data: %s\n\n", "data:\"%s\"\n\n",
		"data: {\"a\":\"%s\"}\r\n\r\n", "id: %s\ndata: \"x\"\n\n", ": %s\n\n", "data: [\"%s\",\ndata: 1]\n\n", "retry: 5\ndata: {\"delta\":\"%s\"}\n\n",
	}
	for range 200 {
		var text strings.Builder
		shape := shapes[random.IntN(len(shapes))]
		for range 2 + random.IntN(20) {
			if random.IntN(6) == 0 {
				shape = shapes[random.IntN(len(shapes))]
			}
			fmt.Fprintf(&text, shape, pieces[random.IntN(len(pieces))])
		}
		if got, want := streamTape(t, text.String(), asBlocks), streamTape(t, text.String(), asRecords); got != want {
			t.Fatalf("of %q\ngot  %s\nwant %s", text.String(), got, want)
		}
	}
}

// Events that have the shape of an earlier one are on tape as if each was looked at whole.
func TestShapes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	values := []string{
		`""`, `" word"`, `"s"`, `" sk"`, `"sk-proj-0123456789abcdefABCDEF"`, `"Abcdefg-Secret-1234"`, `"Abcdefg"`, `"-Secret-1234"`, `"a\n"`, `"\""`, `"\\"`,
		`"\u0041bcdefg-Secret-1234"`, `"{\"password\":\"hunter2hunter2\"}"`, `"`, `1`, `-2.5e7`, `12345678`, `123456789012`, `12a`, `null`, `{}`, `[1,"x"]`, `"ü"`, "\"\xff\"", `"eyJ"`,
	}
	forms := []string{
		`{"a":%s,"n":%s,"b":"c"}`, `{"a":%s,"token":%s}`, `[%s,%s]`, `{"index":%s,"id":%s}`, `{"password":%s,"x":{"y":%s}}`, `{"a":"b","c":[{"d":%s},{"d":%s}]}`, `0:%s %s`, `%s%s`,
	}
	for range 300 {
		var text strings.Builder
		form := forms[random.IntN(len(forms))]
		for range 2 + random.IntN(30) {
			if random.IntN(8) == 0 {
				form = forms[random.IntN(len(forms))]
			}
			if random.IntN(3) == 0 {
				text.WriteString("event: e\n")
			}
			fmt.Fprintf(&text, "data: "+form+"\n\n", values[random.IntN(len(values))], values[random.IntN(len(values))])
		}
		if got, want := streamTape(t, text.String(), asBlocks), streamTape(t, text.String(), withoutShapes); got != want {
			t.Fatalf("of %q\ngot  %s\nwant %s", text.String(), got, want)
		}
	}
}

// What looks like JSON by its first byte need be none.
func TestSecretsOutsideOfStrings(t *testing.T) {
	const secret = "Abcdefg-Secret-1234" // which the request has
	for _, data := range []string{
		"[INFO] key %s", "{x:%s}", `{"a":1} %s`, `{"n":true%s,"d":"t"}`, `["a",1.%s]`, "[12:30:05] key=%s, and more", `{"a":"b" %s "c":"d"}`, `[%s`, `"a" %s`,
	} {
		text := "data: " + fmt.Sprintf(data, "nothing") + "\n\n" + "data: " + fmt.Sprintf(data, secret) + "\n\n" +
			"data: " + fmt.Sprintf(data, secret[:9]) + "\n\ndata: x\n\n"
		for _, how := range []telling{asBlocks, asRecords} {
			tape := streamTape(t, text, how)
			if strings.Contains(tape, secret) {
				t.Errorf("%s: %s", data, tape)
			}
		}
	}
	// What some writers have for a number hides nothing of what comes after.
	if tape := streamTape(t, "data: {\"a\":NaN,\"password\":\"hunter2hunter2\"}\n\n", asBlocks); strings.Contains(tape, "hunter2") {
		t.Error(tape)
	}
}

// A block without an end may be as large as an event, after thousands of texts that it might
// go on. Each is looked for near its beginning alone, or this would take minutes.
func TestLargeBlockWithoutEnd(t *testing.T) {
	var text strings.Builder
	for i := range 5000 { // each with another text that may go on
		fmt.Fprintf(&text, "data: {\"id\":\"x\",\"n\":%d}\n\n", i)
	}
	text.WriteString("data: {\"id\":\"Abcdefg-Sec\"}\n\ndata: ret-1234 " + strings.Repeat("and so on ", 1<<20))
	if tape := streamTape(t, text.String(), asBlocks); strings.Contains(tape, "ret-1234") || !strings.Contains(tape, "and so on") {
		t.Error("the end of a secret is on tape, or the rest of its text is not")
	}
}

// An event is not clean because it is like the last one.
func TestLikeTheLastOne(t *testing.T) {
	for _, name := range []string{"password", "a"} {
		empty := fmt.Sprintf("data: {%q:\"\",\"b\":\"c\"}\n\n", name)
		text := empty + strings.Replace(empty, `""`, `"hunter2hunter2"`, 1) + strings.Replace(empty, `""`, `"hunter2"`, 1)
		if got := streamTape(t, text, asBlocks); strings.Contains(got, "hunter2") != (name == "a") {
			t.Errorf("%s: %s", name, got)
		}
	}
	// The credential of another request may come between two events.
	r := newRecorder(t)
	begin := func(secret string) exchange.Watcher {
		request := &exchange.Request{Method: "GET", URL: &url.URL{Path: "/"}, Header: http.Header{"X-Api-Key": {secret}}}
		request.Finished()
		w := r.Watch(request)
		w.Response(&exchange.Response{Status: 200, Header: sse, Stream: true})
		return w
	}
	w := begin("first-0123456789")
	tell := func(piece string) {
		block, err := stream.NewDecoder(strings.NewReader(`data: {"of":"second-0123456789","d":"` + piece + "\"}\n\n")).Block()
		if err != nil {
			t.Fatal(err)
		}
		exchange.Tell(w, block, time.Time{})
	}
	tell("before 1")
	tell("before 2")
	other := begin("second-0123456789")
	tell("later 1")
	tell("later 2")
	w.End(exchange.End{How: exchange.Whole})
	other.End(exchange.End{How: exchange.Whole})
	for line := range strings.Lines(tapes(t, r.Dir)) {
		if strings.Contains(line, "later") && strings.Contains(line, "second-0123456789") {
			t.Errorf("on tape: %s", line)
		}
	}
}
