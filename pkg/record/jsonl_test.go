package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ssectl/ssectl/internal/streamtest"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

var recordTime = time.Date(2026, 11, 20, 22, 45, 1, 123456000, time.UTC)

// checkRecord sends a block through a JSON line and back to bytes.
func checkRecord(t *testing.T, lines *record.Writer, b *stream.Block) {
	t.Helper()
	r := record.FromBlock(b, recordTime)
	line := r.AppendJSON(nil)
	if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
		t.Fatalf("block %q: not a JSON line: %q", b.Raw(), line)
	}
	// Further into a stream than its start, where a BOM is text.
	rr := record.NewReader(strings.NewReader("{}\n" + string(line)))
	if bytes.HasPrefix(b.Raw(), []byte("\ufeff")) {
		rr = record.NewReader(bytes.NewReader(line))
	} else if _, err := rr.Read(); err != nil {
		t.Fatal(err)
	}
	back, err := rr.Read()
	if err != nil {
		t.Fatalf("block %q: line %q: %v", b.Raw(), line, err)
	}
	wire, err := back.AppendText(nil)
	if err != nil || !bytes.Equal(wire, b.Raw()) {
		t.Fatalf("block %q: line %q: back as %q, %v", b.Raw(), line, wire, err)
	}
	if !reflect.DeepEqual(back, r) && !bytes.HasPrefix(b.Raw(), []byte("\ufeff")) {
		t.Fatalf("block %q: line %q:\n got %+v\nwant %+v", b.Raw(), line, back, r)
	}
	checkPlainLine(t, lines, b, r)
}

// checkPlainLine compares the line for a pipe with the exact record.
func checkPlainLine(t *testing.T, lines *record.Writer, b *stream.Block, r record.Record) {
	t.Helper()
	if b.Incomplete() {
		return
	}
	line := lines.AppendBlock(nil, b, recordTime)
	r.Raw = nil
	if want := r.AppendJSON(nil); !bytes.Equal(line, want) {
		t.Fatalf("block %q:\n got %s\nwant %s", b.Raw(), line, want)
	}
}

// TestRecordSamples wants every sample back byte for byte, through a file of
// JSON lines.
func TestRecordSamples(t *testing.T) {
	for _, sample := range streamtest.Samples(t) {
		var file []byte
		for b, err := range stream.NewDecoder(strings.NewReader(sample.Text)).Blocks() {
			if err != nil {
				t.Fatal(err)
			}
			r := record.FromBlock(b, recordTime)
			file = r.AppendJSON(file)
		}
		var back []byte
		rr := record.NewReader(bytes.NewReader(file))
		for {
			r, err := rr.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", sample.Name, err)
			}
			if back, err = r.AppendText(back); err != nil {
				t.Fatalf("%s: %v", sample.Name, err)
			}
		}
		if string(back) != sample.Text {
			t.Errorf("%s: got\n%q\nwant\n%q", sample.Name, back, sample.Text)
		}
	}
}

func TestRecordJSON(t *testing.T) {
	for _, c := range []struct{ stream, want string }{
		{"data: a\n\n", `{"event":"message","data":"a","time":"2026-11-20T22:45:01.123456Z"}`},
		{"event: x\nid: 7\nretry: 5\ndata: {\"n\":1}\n\n", `{"event":"x","id":"7","data":"{\"n\":1}","retry":5,"time":"2026-11-20T22:45:01.123456Z"}`},
		{"event: message\ndata: a\n\n", `{"event":"message","data":"a","time":"2026-11-20T22:45:01.123456Z","raw":"event: message\ndata: a\n\n"}`},
		{"id:\ndata: a\n\n", `{"event":"message","id":"","data":"a","time":"2026-11-20T22:45:01.123456Z","raw":"id:\ndata: a\n\n"}`},
		{"id: 4\n\n", `{"id":"4","time":"2026-11-20T22:45:01.123456Z"}`},
		{": hb\n\n", `{"comment":"hb","time":"2026-11-20T22:45:01.123456Z"}`},
		{":\n\n", `{"comment":"","time":"2026-11-20T22:45:01.123456Z","raw":":\n\n"}`},
		{": hb\ndata: a\n\n", `{"comment":"hb","time":"2026-11-20T22:45:01.123456Z","raw":": hb\n"}`},
		{"data: \xff\n\n", `{"event":"message","data":"` + "\ufffd" + `","time":"2026-11-20T22:45:01.123456Z","raw_b64":"ZGF0YTog/woK"}`},
		{"data: \x00\x1b[2J\u009b\x7f\t\n\n", `{"event":"message","data":"\u0000\u001b[2J\u009b\u007f\t","time":"2026-11-20T22:45:01.123456Z"}`},
		{"data: cut", `{"time":"2026-11-20T22:45:01.123456Z","raw":"data: cut","incomplete":true}`},
	} {
		b, err := stream.NewDecoder(strings.NewReader(c.stream)).Block()
		if err != nil {
			t.Fatal(err)
		}
		r := record.FromBlock(b, recordTime)
		if got := string(r.AppendJSON(nil)); got != c.want+"\n" {
			t.Errorf("%q:\n got %swant %s", c.stream, got, c.want)
		}
	}
}

func TestRecordRead(t *testing.T) {
	for _, c := range []struct{ line, wire string }{
		{`{"data":"a"}`, "data: a\n\n"},
		{`{"event":"x"}`, "event: x\ndata: \n\n"},
		{`{"event":"message","id":"7","data":"a\nb"}`, "id: 7\ndata: a\ndata: b\n\n"},
		{`{"id":"","data":"a"}`, "id: \ndata: a\n\n"},
		{`{"id":"4"}`, "id: 4\n\n"},
		{`{"retry":0}`, "retry: 0\n\n"},
		{`{"data":{"n": 1, "s": "a b"}}`, "data: {\"n\":1,\"s\":\"a b\"}\n\n"},
		{`{"data":[1, 2]}`, "data: [1,2]\n\n"},
		{`{"data":1e400}`, "data: 1e400\n\n"},
		{`{"data":true}`, "data: true\n\n"},
		{`{"data":"a","id":null,"retry":null}`, "data: a\n\n"},
		{`{"comment":"x"}`, ": x\n\n"},
		{`{"comment":"x\ny","data":"a"}`, ": x\n: y\ndata: a\n\n"},
		{`{"data":"\ud83c\udf0a \u4e16"}`, "data: 🌊 世\n\n"},
		{`{"data":"\ud800"}`, "data: \ufffd\n\n"},
		{`{"unknown":{"data":"b"},"data":"a"}`, "data: a\n\n"},
		{`{"d\u0061ta":"a"}`, "data: a\n\n"},
		{`{"meta":{"url":"x"}}`, ""},
		{`{"raw":"data:a\n\n"}`, "data:a\n\n"},
		{`{"raw":"data:a\n\n","event":"message","data":"a"}`, "data:a\n\n"},
		{`{"raw":"data:a\n\n","event":"message","data":"edited"}`, "data: edited\n\n"},
		{`{"raw_b64":"ZGF0YTog/woK","data":"\ufffd"}`, "data: \xff\n\n"},
		{`{}`, ""},
		{`{"raw":"\n"}`, "\n"},
		{`{"raw":"\ndata:a\r\n\r\n","data":"a"}`, "\ndata:a\r\n\r\n"},
		{`{"raw":"data:a\n\ndata: evil\n\n","data":"a"}`, "data: a\n\n"},
		{`{"raw":"id: 9\n\ndata:a\n\n","data":"a"}`, "data: a\n\n"},
		{`{"raw":"data:a\n\ndata: cut","data":"a"}`, "data: a\n\n"},
		{`{"raw":"data:a\n\n","data":"a","incomplete":true}`, "data: a\n\n"},
		{`{"meta":{},"raw":"data: a\n\n"}`, ""},
		{"{\"data\":[\"\xff\"]}", "data: [\"\ufffd\"]\n\n"},
		{`{"event":"message","data":"a","raw":"\ufeffid\ndata: a\n\n"}`, "\ufeffid\ndata: a\n\n"},
	} {
		r, err := record.ParseJSON([]byte(c.line))
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got, err := r.AppendText(nil); err != nil || string(got) != c.wire {
			t.Errorf("%s:\n got %q, %v\nwant %q", c.line, got, err, c.wire)
		}
	}
}

func TestRecordReadTimes(t *testing.T) {
	r, err := record.ParseJSON([]byte(`{"data":"a","time":"2026-11-20T23:45:01.123456+01:00","delay":"1.5s"}`))
	if err != nil || !r.Time.Equal(recordTime) || r.Delay != 1500*time.Millisecond {
		t.Errorf("got %v, %v, %v", r.Time, r.Delay, err)
	}
	r, err = record.ParseJSON([]byte(`{"delay":2.5,"data":"a"}`))
	if err != nil || r.Delay != 2500*time.Microsecond {
		t.Errorf("got %v, %v", r.Delay, err)
	}
}

func TestRecordReaderErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"data":"a"`, `line 2: column 11: not JSON: unexpected end of JSON input`},
		{`{"data":"a"} x`, `line 2: column 14: not JSON: invalid character 'x' after top-level value`},
		{`{data:"a"}`, `line 2: column 2: not JSON: invalid character 'd' looking for beginning of object key string`},
		{`["a"]`, `line 2: want a JSON object, one a line, got an array`},
		{`data: a`, `line 2: column 1: not JSON: invalid character 'd' looking for beginning of value`},
		{`{"event":7}`, `line 2: column 10: event: want a string, got a number`},
		{`{"id": 7}`, `line 2: column 8: id: want a string, got a number`},
		{`{"retry":"5"}`, `line 2: column 10: retry: want a number of milliseconds, got a string`},
		{`{"retry":-5}`, `line 2: column 10: retry: want whole milliseconds, 0 or more, got -5`},
		{`{"time":"noon"}`, `line 2: column 9: time: want an RFC 3339 time, got "noon"`},
		{`{"delay":"soon"}`, `line 2: column 10: delay: want a duration as "500ms", 0 or more, got "soon"`},
		{`{"delay":-1}`, `line 2: column 10: delay: want milliseconds, 0 or more, got -1`},
		{`{"comment":{}}`, `line 2: column 12: comment: want a string, got an object`},
		{`{"incomplete":1}`, `line 2: column 15: incomplete: want true or false, got a number`},
		{`{"meta":"x"}`, `line 2: column 9: meta: want an object, got a string`},
		{`{"raw":"data: a\n\ndata: b\n\n"}`, `line 2: raw holds more than one block`},
		{`{"time":"9999-12-31T23:59:59-23:59"}`, `line 2: column 9: time: want an RFC 3339 time, got "9999-12-31T23:59:59-23:59"`},
		{`{"raw_b64":"?"}`, `line 2: column 12: raw_b64: illegal base64 data at input byte 0`},
		{`{"id":"a\nb","data":""}`, `line 2: id "a\nb" contains a line feed`},
		{`{"event":"a\rdata: x","data":""}`, `line 2: event "a\rdata: x" contains a carriage return`},
		{`{"id":"\u0000","data":""}`, `line 2: id "\x00" contains a NUL`},
	} {
		rr := record.NewReader(strings.NewReader("{\"data\":\"1\"}\n" + c.line + "\n\n{\"data\":\"4\"}"))
		if _, err := rr.Read(); err != nil {
			t.Fatal(err)
		}
		_, err := rr.Read()
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
		var bad *record.LineError
		if !errors.As(err, &bad) || bad.Line != 2 {
			t.Errorf("%s: got %#v", c.line, err)
		}
		// A bad line is one line lost, not the rest of the file.
		if r, err := rr.Read(); err != nil || r.Data != "4" || rr.Line() != 4 {
			t.Errorf("after %s: %+v, %v at line %d", c.line, r, err, rr.Line())
		}
		if _, err := rr.Read(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

func TestRecordReaderLines(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	input := "\ufeff{\"data\":\"a\"}\r\n\r\n  \n{\"data\":\"" + long + "\"}\n{\"data\":\"" + long + long + "\"}\n{\"data\":\"b\"}"
	rr := record.NewReader(strings.NewReader(input))
	rr.MaxLineSize = 400 << 10
	var got []string
	for {
		r, err := rr.Read()
		if err == io.EOF {
			break
		}
		if errors.Is(err, record.ErrLineTooLong) {
			got = append(got, err.Error())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Data)
	}
	if want := []string{"a", long, "line 5: line is too long", "b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %.80q", got)
	}
}

// checkBlocks checks each block of a stream that is read in pieces.
func checkBlocks(t *testing.T, input string, cuts []byte) {
	t.Helper()
	var lines record.Writer
	for b, err := range stream.NewDecoder(&streamtest.SplitReader{Input: input, Cuts: cuts}).Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		checkRecord(t, &lines, b)
	}
}

// TestRecordSpec sends all blocks of the cases of the standard around, cut at
// every byte.
func TestRecordSpec(t *testing.T) {
	for _, c := range streamtest.Cases(t) {
		for _, cuts := range [][]byte{nil, {0}, {1}, {2, 0}, {6}, {0, 4, 1}} {
			checkBlocks(t, c.In, cuts)
		}
	}
}

// FuzzRecord wants each block of any stream back, byte for byte.
func FuzzRecord(f *testing.F) {
	for _, c := range streamtest.Cases(f) {
		f.Add(c.In, []byte{0, 3, 1})
	}
	for _, sample := range streamtest.Samples(f) {
		f.Add(sample.Text, []byte{20, 7})
	}
	f.Fuzz(checkBlocks)
}

// FuzzRecordRead wants that whatever reads as a record comes back the same
// after being written, and that nothing panics.
func FuzzRecordRead(f *testing.F) {
	f.Add(`{"event":"x","id":"","data":{"a":[1,null]},"retry":5,"comment":"c","time":"2026-11-20T22:45:01Z","delay":"5ms"}`)
	f.Add(`{"raw":"data:a\n\n","incomplete":true,"meta":{}}`)
	f.Add(`{"raw_b64":"/w==","data":"\ud800\u0000"}`)
	f.Fuzz(func(t *testing.T, line string) {
		r, err := record.ParseJSON([]byte(line))
		if err != nil {
			return
		}
		wire, err := r.AppendText(nil)
		if err != nil {
			t.Fatalf("%q: read, but not written: %v", line, err)
		}
		written := r.AppendJSON(nil)
		again, err := record.ParseJSON(written)
		if err != nil {
			t.Fatalf("%q: written as %q: %v", line, written, err)
		}
		if back, _ := again.AppendText(nil); !bytes.Equal(back, wire) {
			t.Fatalf("%q: written as %q:\n got %q\nwant %q", line, written, back, wire)
		}
	})
}

// checkJSONLines wants one Writer to write the lines that a new one for each event
// would: nothing that it learns from one event may show in the next.
func checkJSONLines(t *testing.T, texts []string) {
	t.Helper()
	var wire strings.Builder
	for _, text := range texts { // malformed UTF-8 and all
		wire.WriteString("data: " + strings.ReplaceAll(text, "\n", "\ndata: ") + "\n\n")
	}
	tail := recordTime.UTC().Format(`,"time":"2006-01-02T15:04:05.000000Z"}`) + "\n"
	var lines record.Writer
	n := 0
	for b, err := range stream.NewDecoder(strings.NewReader(wire.String())).Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		want := `{"event":"message","data":` + string(record.AppendString(nil, b.Data())) + tail
		if got := string(lines.AppendBlock(nil, b, recordTime)); got != want {
			t.Fatalf("event %d of %.500q:\n got %.500s want %.500s", n, texts, got, want)
		}
		n++
	}
	if n != len(texts) {
		t.Fatalf("%d events of %d", n, len(texts))
	}
}

func TestJSONLinesOfOneKind(t *testing.T) {
	delta := func(token string) string {
		return `{"id":"chatcmpl-1","é":"\\","choices":[{"delta":{"content":"` + token + `"},"finish_reason":null}]}`
	}
	price := func(n string) string { return `{"symbol":"SSE","sequence":` + n + `,"currency":"EUR","venue":"here"}` }
	for name, texts := range map[string][]string{
		"tokens":               {delta(" tide"), delta(" time"), delta(" rises"), delta(""), delta(" \"high\""), delta("é"), delta("\x7f\n\u0085")},
		"same first byte":      {delta("é"), delta("è"), delta("ê"), delta("é"), delta("\xc3"), delta("é")},
		"same last byte":       {delta("é"), delta("ĩ"), delta("ũ"), delta("é"), delta("\xa9"), delta("é")},
		"cut characters":       {delta("🌊"), delta("🌋"), delta("\xf0\x9f\x8c"), delta("\x8c\x8a"), delta("🌊")},
		"malformed around":     {"\xc3" + delta("a") + "\xa9", "\xc3" + delta("b") + "\xa9", "\xa9" + delta("c") + "\xc3", "\xc3" + delta("d") + "\xa9"},
		"shorter than learned": {delta("aaaa"), delta("aaaa"), delta("aa"), delta(""), delta("")[1:], "", delta("aaaa")},
		"two kinds":            {delta("a"), price("1"), delta("b"), price("2"), delta("c"), delta("d"), price("3"), price("4"), price("5"), price("6"), price("7"), price("8"), delta("e")},
		"nothing in common":    {strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 50), strings.Repeat("d", 40), strings.Repeat("d", 41)},
		"large":                {strings.Repeat(`"`, 5000), strings.Repeat(`"`, 5000), strings.Repeat(`"`, 5001), delta("a"), delta("b"), strings.Repeat(`"`, 5000)},
	} {
		t.Run(name, func(t *testing.T) { checkJSONLines(t, append(texts, texts...)) })
	}
}

// FuzzJSONLines makes events of one begin, several middles and one end.
func FuzzJSONLines(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":"`, " the\x00 tide\x00\x00 rises", `"},"finish_reason":null}]}`)
	f.Fuzz(func(t *testing.T, begin, middles, end string) {
		var texts []string
		for _, middle := range strings.Split(middles, "\x00") {
			text := strings.ReplaceAll(begin+middle+end, "\r", "")
			texts = append(texts, text, text)
		}
		checkJSONLines(t, texts)
	})
}

// FuzzRecordString compares the reading of a JSON string with that of
// encoding/json.
func FuzzRecordString(f *testing.F) {
	for _, s := range []string{`"a"`, `"\u00e9\ud83c\udf0a\ud800\ud800\udc00\udc00\uD83Cx"`, `"\"\\\/\b\f\n\r\t"`, "\"\xff\xe2\x82\"", `"\ud800"`, `"\ud800\u0041"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasPrefix(text, `"`) || !json.Valid([]byte(text)) {
			return
		}
		text = string(stream.AppendValid(nil, []byte(text))) // encoding/json replaces in its own way
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		got, err := record.ParseJSON([]byte(`{"data":` + text + `}`))
		if err != nil || got.Data != want {
			t.Fatalf("%s: got %q, %v; want %q", text, got.Data, err, want)
		}
	})
}

// TestAppendTime compares with the standard library over a wide range.
func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		recordTime, time.Unix(0, 0), time.Unix(-1, 999), time.Date(1600, 2, 29, 23, 59, 59, 0, time.UTC),
		time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(0, 3, 1, 0, 0, 0, 0, time.UTC),
	} {
		checkTime(t, at)
	}
	for day := range 146097 + 365 { // a whole cycle of the calendar
		checkTime(t, time.Unix(int64(day)*86400+int64(day)%86400, int64(day)*1000))
	}
}

func checkTime(t *testing.T, at time.Time) {
	t.Helper()
	r := record.Record{Time: at}
	want := at.UTC().Format(`{"time":"2006-01-02T15:04:05.000000Z"}`) + "\n"
	if got := string(r.AppendJSON(nil)); got != want && !at.IsZero() {
		t.Fatalf("got %s want %s", got, want)
	}
}

// A line of AppendJSON reads back, whatever a program put into the record.
func TestRecordOfAnyValues(t *testing.T) {
	r := record.Record{IsEvent: true, Event: stream.Event{Retry: -time.Second}, Delay: -1, Meta: nil}
	if _, err := record.ParseJSON(r.AppendJSON(nil)); err != nil {
		t.Error(err)
	}
	meta, err := record.ParseJSON([]byte("{\"meta\":{\n \"a\": 1}}"))
	if err != nil || string(meta.AppendJSON(nil)) != "{\"meta\":{\"a\":1}}\n" {
		t.Errorf("%s, %v", meta.AppendJSON(nil), err)
	}
}

// TestAppendRecord wants the lines of AppendJSON, for events that have much in common
// and for blocks of all kinds.
func TestAppendRecord(t *testing.T) {
	var w record.Writer
	var got, want []byte
	for _, sample := range streamtest.Samples(t) {
		for b, err := range stream.NewDecoder(strings.NewReader(sample.Text)).Blocks() {
			if err != nil {
				t.Fatal(err)
			}
			r := record.FromBlock(b, recordTime)
			got, want = w.AppendRecord(got[:0], &r), r.AppendJSON(want[:0])
			if string(got) != string(want) {
				t.Errorf("%s: got %s, want %s", sample.Name, got, want)
			}
		}
	}
	for _, r := range []record.Record{
		{}, {IsEvent: true}, {IsEvent: true, Time: recordTime}, {IsEvent: true, Time: recordTime, Event: stream.Event{Retry: -time.Second, Data: "\xff\n"}},
		{IsEvent: true, Time: recordTime, Delay: time.Second}, {HasComment: true, Time: recordTime}, {Meta: []byte("{}")},
	} {
		if got, want := w.AppendRecord(nil, &r), r.AppendJSON(nil); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRecordReaderKeepsError(t *testing.T) {
	broken := errors.New("broken")
	rr := record.NewReader(io.MultiReader(strings.NewReader(`{"data":"a`), iotest.ErrReader(broken), strings.NewReader("{\"data\":\"b\"}\n")))
	for range 2 {
		if r, err := rr.Read(); err != broken {
			t.Errorf("got %+v, %v", r, err)
		}
	}
}
