package window

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

var start = time.Date(2026, 11, 20, 22, 45, 0, 0, time.UTC)

// request returns a POST with a body.
func request(number int64, address, body string, header ...string) *exchange.Request {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	r := &exchange.Request{Number: number, Time: start, Method: "POST", URL: u, Host: u.Host, Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if body != "" {
		r.Passed([]byte(body), 1<<20)
	}
	r.Finished()
	return r
}

func response(stream bool) *exchange.Response {
	return &exchange.Response{Time: start.Add(100 * time.Millisecond), Proto: "HTTP/1.1", Status: 200, Stream: stream,
		Header: http.Header{"Content-Type": {"text/event-stream"}, "Set-Cookie": {"sid=topsecret"}}}
}

func event(n int, data string) *record.Record {
	return &record.Record{IsEvent: true, Event: stream.Event{Type: "message", Data: data}, Time: start.Add(time.Duration(n) * 10 * time.Millisecond)}
}

// numbers returns the exchanges that a log keeps.
func numbers(l *Log) (list []int64) {
	for _, s := range l.Changes(0).Exchanges {
		list = append(list, s.Number)
	}
	return list
}

func TestExchangeIsKept(t *testing.T) {
	l := New(Limits{})
	w := l.Watch(request(7, "https://api.test/v1/chat?model=a&api_key=hunter2hunter2", `{"stream":true}`, "Content-Type", "application/json"))
	w.Response(response(true))
	w.Event(event(20, "one"))
	w.Event(&record.Record{HasComment: true, Comment: "ping", Time: start.Add(300 * time.Millisecond)})
	before := l.Changes(0)
	w.End(exchange.End{How: exchange.Reset, Time: start.Add(time.Second), Events: 1, Bytes: 20})
	got := l.Changes(before.Change).Exchanges
	if len(got) != 1 {
		t.Fatalf("%d exchanges changed, want 1", len(got))
	}
	s := got[0]
	if s.Number != 7 || s.URL != "https://api.test/v1/chat?model=a&api_key=REDACTED" || s.Status != 200 || s.Events != 1 || s.Records != 2 ||
		*s.Headers != 100 || *s.First != 200 || *s.Total != 1000 || s.Ended != "the upstream reset it after event 1" {
		t.Errorf("got %+v", s)
	}
	if again := l.Changes(l.Changes(0).Change); len(again.Exchanges) != 0 || again.Kept != nil {
		t.Errorf("without a change: %+v", again)
	}
	events, ok := l.Events(7, 1, -1)
	if !ok || events.First != 1 || len(events.Records) != 1 || events.Records[0].Comment != "ping" || !events.Ended {
		t.Errorf("events from 1: %+v", events)
	}
}

func TestRequestsOutOfOrder(t *testing.T) {
	l := New(Limits{})
	for _, n := range []int64{2, 1, 0, 3, 2} {
		l.Watch(request(n, "http://h/", ""))
	}
	if got := numbers(l); !slices.Equal(got, []int64{1, 2, 3, 4, 5}) {
		t.Errorf("kept %v", got)
	}
}

// Whatever passes, a log stays within its limits, and has the newest of it.
func TestBounds(t *testing.T) {
	l := New(Limits{Exchanges: 10, Events: 100, EventSize: 1000, BodySize: 1000, Size: 100_000})
	for n := range int64(50) {
		w := l.Watch(request(n+1, "http://h/", strings.Repeat("x", 5000)))
		w.Response(response(n%2 == 0))
		for i := range 300 {
			if n%2 == 0 {
				w.Event(event(i, strings.Repeat("y", i*10)))
			} else {
				w.Body(bytes.Repeat([]byte("z"), 100))
			}
		}
		if n%5 != 0 {
			w.End(exchange.End{How: exchange.Whole, Time: start.Add(time.Minute)})
		}
	}
	if l.size > 100_000 || len(l.entries) > 10 {
		t.Errorf("%d bytes, %d exchanges", l.size, len(l.entries))
	}
	size := 0
	for _, e := range l.entries {
		size += e.size
	}
	if size != l.size {
		t.Errorf("counted %d bytes, the exchanges have %d", l.size, size)
	}
	c := l.Changes(0)
	newest := c.Exchanges[len(c.Exchanges)-1]
	if newest.Number != 50 || c.Gone != int64(50-len(c.Exchanges)) {
		t.Errorf("newest %+v, %d gone, %d kept", newest, c.Gone, len(c.Exchanges))
	}
	d, _ := l.Detail(50)
	if d.RequestBody.Whole || d.RequestBody.Size != 5000 || len(d.RequestBody.Text) != 1000 {
		t.Errorf("body of %d bytes, %d kept", d.RequestBody.Size, len(d.RequestBody.Text))
	}
	if !strings.HasPrefix(d.Curl, "# of the body of 5000 bytes, only the first 1000 are here\n") {
		t.Errorf("the command does not tell: %.100s", d.Curl)
	}
}

// One stream that never ends stays within the limits too.
func TestEndlessStream(t *testing.T) {
	l := New(Limits{Size: 200_000})
	w := l.Watch(request(1, "http://h/", ""))
	w.Response(response(true))
	for i := range 10_000 {
		w.Event(event(i, fmt.Sprintf(`{"n":%d}`, i)))
		if l.size > 200_000 || l.entries[0].events.count > 5000 {
			t.Fatalf("after %d events: %d bytes, %d events", i, l.size, l.entries[0].events.count)
		}
	}
	events, _ := l.Events(1, 0, -1)
	s := l.Changes(0).Exchanges[0]
	if last := events.Records[len(events.Records)-1].Data; last != `{"n":9999}` || s.Events != 10_000 || s.Dropped != events.First || s.Records != 10_000 {
		t.Errorf("last %s, %+v", last, s)
	}
}

// A queue returns what was added, in any piece, whatever was dropped and whenever
// somebody looked.
func TestQueue(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		var q queue
		var all []record.Record
		open := func() bool {
			b, ok := q.next()
			if ok {
				q.put(b, b.open(&secrets{known: new(redact.Secrets)}))
			}
			return ok
		}
		most := 1 + random.IntN(1000)
		for n := range 1 + random.IntN(3000) {
			r := record.Record{IsEvent: true, Event: stream.Event{Type: "message", Data: strings.Repeat(fmt.Sprint(n), 1+random.IntN(4))}, Time: start.Add(time.Duration(n))}
			switch random.IntN(100) {
			case 0:
				r.Data = strings.Repeat("large", 30_000)
			case 1:
				r = record.Record{Raw: []byte("\n"), Time: r.Time}
			case 2:
				r = record.Record{HasComment: true, Comment: "c", Time: r.Time}
			case 3:
				r.Raw = []byte("\ndata:" + r.Data + "\r\n\r\n")
			}
			all = append(all, r)
			q.add(encode(&r), r.Time, most)
			switch random.IntN(1000) {
			case 0:
				q.dropChunk()
			case 1, 2:
				open()
			}
		}
		size := 0
		for open() {
		}
		for _, c := range q.chunks {
			size += c.size()
		}
		if q.count > most || q.dropped+int64(q.count) != int64(len(all)) || size != q.size {
			t.Fatalf("%d of %d kept, %d dropped, limit %d; size is %d, counted %d", q.count, len(all), q.dropped, most, size, q.size)
		}
		for range 20 {
			from, n := random.Int64N(int64(len(all)+2)), random.IntN(1500)
			first, got := q.from(from, n)
			first0 := min(max(from, q.dropped), int64(len(all)))
			want := all[first0:min(int64(len(all)), first0+int64(n))]
			if first != first0 || len(got) != len(want) {
				t.Fatalf("%d records from %d: got %d from %d, want %d from %d", n, from, len(got), first, len(want), first0)
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("record %d: got %+v, want %+v", first+int64(i), got[i], want[i])
				}
			}
		}
	}
}

// BenchmarkPass is the cost of a stream for the program that lets it pass, beside that
// of decoding it, which is the limit.
func BenchmarkPass(b *testing.B) {
	var text []byte
	for n := range 100_000 {
		text = fmt.Appendf(text, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"sample-4","choices":[{"index":0,"delta":{"content":" tide %d"}}]}`+"\n\n", n)
	}
	for _, name := range []string{"decode", "window", "secrets"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var header []string
			if name == "secrets" {
				header = []string{"Authorization", "Bearer sk-proj-0123456789abcdef"}
			}
			w := New(Limits{}).Watch(request(1, "http://h/", "", header...))
			w.Response(response(true))
			for b.Loop() {
				for block, err := range stream.NewDecoder(bytes.NewReader(text)).Blocks() {
					if err != nil {
						b.Fatal(err)
					}
					if name != "decode" {
						exchange.Tell(w, block, start)
					}
				}
			}
		})
	}
}

// A secret whose beginning nobody has looked at before it was dropped is hidden
// where the window begins.
func TestCredentialsAtTheBeginningOfTheWindow(t *testing.T) {
	const secret = "sk-proj-0123456789abcdef"
	for cut := 1; cut < len(secret); cut++ {
		l := New(Limits{Events: 8})
		w := l.Watch(request(1, "http://h/", "", "Authorization", "Bearer "+secret))
		w.Response(response(true))
		w.Event(event(0, fmt.Sprintf(`{"d":"it is %s"}`, secret[:cut])))
		for _, c := range secret[cut:] {
			w.Event(event(1, fmt.Sprintf(`{"d":"%c"}`, c)))
		}
		w.Event(event(2, `{"d":"! and more"}`))
		events, _ := l.Events(1, 0, -1)
		seen := ""
		for _, r := range events.Records {
			seen += r.Data
		}
		letters := strings.NewReplacer(`{"d":"`, "", `"}`, "").Replace(seen)
		for i := range len(secret) - 5 {
			if strings.Contains(letters, secret[i:i+6]) {
				t.Errorf("cut at %d: %s is shown", cut, letters)
			}
		}
		if !strings.HasSuffix(letters, "! and more") {
			t.Errorf("cut at %d: too much is hidden: %s", cut, letters)
		}
	}
}

// Many may look at once while events come.
func TestLookingWhileEventsCome(t *testing.T) {
	l := New(Limits{Events: 500, Size: 1 << 20})
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, s := range l.Changes(0).Exchanges {
					events, _ := l.Events(s.Number, 0, -1)
					for i := range events.Records {
						if text := events.Records[i].Data; text != "" && !strings.Contains(text, "*") {
							t.Errorf("event %d is shown as %s", events.First+int64(i), text)
							return
						}
					}
					l.Detail(s.Number)
					l.Search("absent")
					l.WriteSSE(io.Discard, s.Number)
				}
			}
		})
	}
	for n := range int64(4) {
		w := l.Watch(request(n+1, "http://h/", "", "Authorization", "Bearer 0123456789"))
		w.Response(response(true))
		for i := range 3000 {
			w.Event(event(i, "it is 0123456789"))
		}
		w.End(exchange.End{How: exchange.Whole, Time: start})
	}
	close(done)
	wg.Wait()
}

func TestChangedWakes(t *testing.T) {
	l := New(Limits{})
	wait := l.Changed(0)
	l.Watch(request(1, "http://h/", ""))
	<-wait
	<-l.Changed(0)
	select {
	case <-l.Changed(l.Changes(0).Change):
		t.Error("woken without a change")
	default:
	}
}

// everything returns all that a log would show of an exchange.
func everything(t *testing.T, l *Log, number int64) string {
	t.Helper()
	d, ok := l.Detail(number)
	if !ok {
		t.Fatalf("exchange %d is not kept", number)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.Encode(d)
	encoder.Encode(l.Changes(0))
	for _, write := range []func() error{
		func() error { return l.WriteSSE(&text, number) },
		func() error { return l.WriteJSONLines(&text, number) },
		func() error { return l.WriteHAR(&text, "1", number) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func TestCredentialsAreHidden(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("me:open sesame"))
	all := []string{"sk-0123456789abcdef", "hunter2hunter2", "s3cr3t/value+x", basic, "open sesame", "cookie-value-1", "field-token-9", "opaque-0123456789-value", "topsecret", "userpassword"}
	l := New(Limits{})
	r := request(1, "https://u:userpassword@api.test/?api_key=hunter2hunter2&x=opaque-0123456789-value", `{"prompt":"hi","auth":{"access_token":"field-token-9"},"max_tokens":5}`,
		"Authorization", "Bearer sk-0123456789abcdef", "Proxy-Authorization", "Basic "+basic, "X-Secret", "s3cr3t/value+x", "Cookie", "theme=dark; a=cookie-value-1")
	w := l.Watch(r)
	w.Response(response(true))
	for i, secret := range all {
		quoted, _ := json.Marshal("it is " + secret + ", they say")
		w.Event(event(i, `{"echo":`+strings.ReplaceAll(string(quoted), "/", `\/`)+`}`))
		w.Event(&record.Record{IsEvent: true, Event: stream.Event{Type: secret, ID: secret, Data: secret}, Raw: []byte("data:" + secret + "\n\n"), Time: start})
		w.Event(&record.Record{HasComment: true, Comment: secret, Time: start})
	}
	w.End(exchange.End{How: exchange.Refused, Err: errors.New("dial sk-0123456789abcdef"), Time: start, Trailer: http.Header{"X": {"hunter2hunter2"}}})
	other := l.Watch(r)
	other.Response(&exchange.Response{Time: start, Status: 200, Header: http.Header{"Content-Type": {"application/json"}, "X-Echo": {"sk-0123456789abcdef"}}})
	other.Body([]byte(`{"you sent": "Bearer sk-01234567`))
	other.Body([]byte(`89abcdef"}`))
	other.End(exchange.End{How: exchange.Whole, Time: start})
	shown := everything(t, l, 1) + everything(t, l, 2)
	for _, secret := range all[:len(all)-2] {
		if i := strings.Index(shown, secret); i >= 0 {
			t.Errorf("%s is shown: …%s…", secret, shown[max(0, i-100):min(len(shown), i+50)])
		}
	}
	for _, want := range []string{"Bearer REDACTED", "max_tokens", `they say`, "theme"} {
		if want != "theme" && !strings.Contains(shown, want) {
			t.Errorf("%q is hidden too", want)
		}
	}
	for _, m := range l.Search("0123456789abcdef") {
		t.Errorf("search finds a secret: %+v", m)
	}
}

// A credential that an answer repeats in pieces, cut anywhere, is in nothing that
// is shown: neither in the events one after the other, nor in the text that they
// make together.
func TestCredentialsInPieces(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/+"
	for range 500 {
		secret := make([]byte, 8+random.IntN(60))
		for i := range secret {
			secret[i] = letters[random.IntN(len(letters))]
		}
		l := New(Limits{})
		w := l.Watch(request(1, "https://api.test/", "", "Authorization", "Bearer "+string(secret)))
		w.Response(response(true))
		text := "The key is " + string(secret) + ". And again: " + string(secret[:4]) + string(secret) + "!"
		count := 0
		for rest := text; rest != ""; count++ {
			n := min(len(rest), 1+random.IntN(12))
			quoted, _ := json.Marshal(rest[:n])
			if random.IntN(2) == 0 {
				quoted = []byte(strings.ReplaceAll(string(quoted), "/", `\/`))
			}
			rest = rest[n:]
			w.Event(event(count, fmt.Sprintf(`{"type":"delta","index":%d,"choices":[{"delta":{"content":%s},"n":null}]}`, count, quoted)))
		}
		events, _ := l.Events(1, 0, -1)
		var seen strings.Builder
		for i := range events.Records {
			var data struct {
				Choices []struct{ Delta struct{ Content string } }
			}
			if err := json.Unmarshal([]byte(events.Records[i].Data), &data); err != nil {
				t.Fatalf("%s: %v", events.Records[i].Data, err)
			}
			seen.WriteString(data.Choices[0].Delta.Content)
		}
		for i := range len(secret) - 6 {
			if piece := string(secret[i : i+7]); strings.Contains(seen.String(), piece) {
				t.Fatalf("of the secret %s, %s is shown: %s", secret, piece, seen.String())
			}
		}
		if !strings.Contains(seen.String(), ". And again: ") || !strings.HasPrefix(seen.String(), "The key is ") || !strings.HasSuffix(seen.String(), "!") {
			t.Fatalf("too much is hidden of %s: %s", text, seen.String())
		}
	}
}

func TestEachString(t *testing.T) {
	for text, want := range map[string][]string{
		`{"a":"1","b":{"c":"2","a":["3","4"]},"d":5,"e":"6"}`: {"a=1", "c=2", "a=3", "a=4", "e=6"},
		`{"a":"q\"x","b":"\\"}`:                               {`a=q\"x`, `b=\\`},
		`0:"text"`:                                            {"=text"},
		`{"a":"unfinished`:                                    {"a=unfinished"},
		`{"a":"\`:                                             {`a=\`},
		`["x",{"y" : "z"},"w"]`:                               {"=x", "y=z", "=w"},
		`}}]"`:                                                {"="},
	} {
		var got []string
		eachString(text, func(key string, _ place, start, end int) { got = append(got, key+"="+text[start:end]) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func FuzzSecrets(f *testing.F) {
	f.Add(`{"a":"sk-12`, `{"a":"345678"}`, "sk-12345678")
	f.Add(`\u0041`, `"\\`, "AAAAAAAA")
	f.Fuzz(func(t *testing.T, a, b, secret string) {
		s := &secrets{known: new(redact.Secrets)}
		s.known.Add(secret)
		for _, text := range []string{a, b, a + b} {
			if got := s.piece(text, 0); len(got) != len(text) {
				t.Errorf("%q became %q", text, got)
			}
			got := s.text(text, true)
			if rest := strings.ReplaceAll(got, "REDACTED", ""); len(secret) >= 8 && secret == strings.TrimSpace(secret) && !strings.Contains(secret, "REDACTED") && strings.Contains(got, secret) && strings.Contains(rest, secret) {
				t.Errorf("%q still has %q: %q", text, secret, got)
			}
		}
	})
}

func TestSearch(t *testing.T) {
	l := New(Limits{})
	l.Watch(request(1, "http://h/needle", ""))
	l.Watch(request(2, "http://h/", `{"q":"a Needle in a body"}`))
	w := l.Watch(request(3, "http://h/", ""))
	w.Response(response(true))
	w.Event(event(0, "hay"))
	w.Event(event(1, strings.Repeat("ſ", 50)+"needle"+strings.Repeat("x", 50)))
	l.Watch(request(4, "http://h/", "hay"))
	var got []string
	for _, m := range l.Search("NEEDLE") {
		got = append(got, fmt.Sprintf("%d %s %d", m.Number, m.Where, m.Event))
	}
	if want := []string{"3 event 1", "2 request body -1", "1 request -1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiff(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{`{"a":1,"b":[1,2]}`, `{"b":[1,2],"a":1}`, ``},
		{`{"model":"a","n":1.0}`, `{"model":"b","n":1.0,"x":null}`, `.model "a" → "b"; .x  → null`},
		{`{"messages":[{"r":"u"}]}`, `{"messages":[{"r":"u"},{"r":"a"},{"r":"u"}]}`, `.messages[1]  → {"r":"a"}; .messages[2]  → {"r":"u"}`},
		{`[1,2,3]`, `[2,3]`, `.[0] 1 → `},
		{`{"odd key":{"x":1}}`, `{"odd key":{"x":2}}`, `."odd key".x 1 → 2`},
		{`one`, `two`, `. one → two`},
		{`{"a":1}`, `[1]`, `. {"a":1} → [1]`},
	} {
		var got []string
		for _, d := range Diff(test.old, test.new) {
			got = append(got, fmt.Sprintf("%s %s → %s", d.Path, d.Old, d.New))
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s and %s: got %s, want %s", test.old, test.new, strings.Join(got, "; "), test.want)
		}
	}
}

func TestDetailComparesWithTheOneBefore(t *testing.T) {
	l := New(Limits{})
	l.Watch(request(1, "http://h/v1/chat?a=1", `{"n":1}`)).End(exchange.End{How: exchange.Whole, Time: start})
	l.Watch(request(2, "http://h/other", `{"n":5}`))
	l.Watch(request(3, "http://h/v1/chat?a=2", `{"n":2}`))
	d, _ := l.Detail(3)
	if d.Before != 1 || len(d.Differences) != 1 || d.Differences[0] != (Difference{Path: ".n", Old: "1", New: "2"}) {
		t.Errorf("before %d: %+v", d.Before, d.Differences)
	}
}

// shell runs a command in a real shell, in which curl and ssectl print their
// arguments and their input.
func shell(t *testing.T, command string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"curl", "ssectl"} {
		script := "#!/bin/sh\nprintf '%s\\000' \"$@\"\nfor a; do [ \"$a\" = @- ] && cat; done\nexit 0\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", command)
	c.Dir = dir
	c.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(out)
}

func TestCommandsAreQuoted(t *testing.T) {
	for _, body := range []string{
		`{"text":"it's \"$HOME\" ` + "`id`" + ` $(touch hacked); & | > < * ? ~ ! # \\ \n"}`,
		"'; touch hacked; '", "@/etc/passwd", "two\nlines\n", "\x1b[201~\rrm -rf\t\x7f\u0085\u202e", "%s%d\\n", "''", "-X DELETE",
		"nul \x00 and '%s' \\ in it\n", "ü ✓ \xff\xfe",
	} {
		l := New(Limits{})
		l.Watch(request(1, "http://h.test/a'b?q=$(x)[1]{2}", body, "Content-Type", "text/plain; x='", "X-Empty", "", "Accept", "*/*; q=\"`id`\""))
		d, _ := l.Detail(1)
		for _, command := range []string{d.Curl, d.Listen} {
			for i, c := range []byte(command) {
				if c < ' ' && c != '\n' || c == 0x7f {
					t.Fatalf("byte %d of the command is %#x: %q", i, c, command)
				}
			}
			got := strings.Split(shell(t, command), "\x00")
			want := []string{`http://h.test/a%27b?q=REDACTED`, "-H", "Accept: */*; q=\"`id`\"", "-H", "Content-Type: text/plain; x='", "-H", "X-Empty;"}
			want[0] = d.URL
			if command == d.Curl {
				flags := []string{"-sSN"}
				if strings.ContainsAny(d.URL, "[]{}") {
					flags = append(flags, "-g")
				}
				want = append(flags, want...)
			} else {
				want = append([]string{"listen"}, want...)
			}
			if strings.Contains(body, "\x00") {
				want = append(want, "--data-binary", "@-")
				want = append(want, strings.Split(body, "\x00")...)
			} else {
				want = append(want, "--data-raw", body, "")
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s\ngot  %q\nwant %q", command, got, want)
			}
		}
	}
}

// What is exported is what came, byte for byte.
func TestExportIsExact(t *testing.T) {
	const wire = "\ufeff: hi\r\n\r\nid:7\ndata:  two \ndata\nretry: 5\n\nevent: x\ndata: {\"a\":1}\n\n: unfinished"
	l := New(Limits{})
	w := l.Watch(request(1, "http://h/", `{"a":"b"}`, "Content-Type", "application/json", "Authorization", "Bearer 0123456789"))
	w.Response(response(true))
	for block, err := range stream.NewDecoder(strings.NewReader(wire)).Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		r := record.FromBlock(block, start.Add(time.Second))
		w.Event(&r)
	}
	w.End(exchange.End{How: exchange.Truncated, Time: start.Add(2 * time.Second), Events: 2})
	var sse, lines, har bytes.Buffer
	if err := l.WriteSSE(&sse, 1); err != nil || sse.String() != wire {
		t.Errorf("got %q, %v\nwant %q", sse.String(), err, wire)
	}
	if err := l.WriteJSONLines(&lines, 1); err != nil {
		t.Fatal(err)
	}
	records, _, err := record.Read(&lines, record.FormatJSONL, 0)
	if err != nil {
		t.Fatal(err)
	}
	var again []byte
	for r, err := range records {
		if err == nil {
			again, err = r.AppendText(again)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if string(again) != wire {
		t.Errorf("JSON lines give %q, want %q", again, wire)
	}
	if err := l.WriteHAR(&har, "1", 1); err != nil {
		t.Fatal(err)
	}
	var file struct {
		Log struct {
			Entries []struct {
				Messages []struct{ EventName, EventID, Data string } `json:"_eventSourceMessages"`
				Request  struct {
					PostData struct{ MimeType, Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(har.Bytes(), &file); err != nil {
		t.Fatalf("%v in %s", err, har.String())
	}
	if e := file.Log.Entries[0]; len(e.Messages) != 2 || e.Messages[0].Data != " two \n" || e.Request.PostData.Text != `{"a":"b"}` || e.Request.PostData.MimeType != "application/json" {
		t.Errorf("got %+v", e)
	}
}

// The secrets of the upstream, which clients do not send, are not shown either.
func TestHiddenByFlags(t *testing.T) {
	l := New(Limits{})
	upstream, err := url.Parse("https://user:hunter2hunter2@up.test/v1?sig=signed-1234")
	if err != nil {
		t.Fatal(err)
	}
	l.Hide(http.Header{"X-Api-Key": {"key-of-the-flag"}}, upstream)
	basic := base64.StdEncoding.EncodeToString([]byte("user:hunter2hunter2"))
	w := l.Watch(request(1, "https://up.test/v1", ""))
	w.Response(&exchange.Response{Time: start, Status: 200, Header: http.Header{"Content-Type": {"text/plain"}, "X-Echo": {"key-of-the-flag"}}})
	w.Body([]byte("X-Api-Key: key-of-the-flag\nAuthorization: Basic " + basic + "\nuser:hunter2hunter2 signed-1234"))
	w.End(exchange.End{How: exchange.Whole, Time: start})
	shown := everything(t, l, 1)
	for _, secret := range []string{"key-of-the-flag", basic, "hunter2hunter2", "signed-1234"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown: %s", secret, shown)
		}
	}
}

func TestManyCredentials(t *testing.T) {
	l := New(Limits{})
	header := []string{"Authorization", "Bearer the-gravest-one"}
	for i := range 2000 {
		header = append(header, fmt.Sprintf("A-%d", i), fmt.Sprintf("0a1b2c3d4e5f6a7b-%07d", i))
	}
	w := l.Watch(request(1, "https://up.test/v1", "", header...))
	w.Response(&exchange.Response{Time: start, Status: 200, Header: http.Header{"Content-Type": {"text/plain"}}})
	w.Body([]byte("the-gravest-one and 0a1b2c3d4e5f6a7b-0000001"))
	w.End(exchange.End{How: exchange.Whole, Time: start})
	d, _ := l.Detail(1)
	if got := d.ResponseBody.Text; got != "REDACTED and REDACTED" {
		t.Error(got)
	}
}

func TestFields(t *testing.T) {
	for _, test := range []struct {
		request    bool
		text, want string
	}{
		{true, `{"password":["X"],"b":"c"}`, `{"password":["REDACTED"],"b":"c"}`},
		{true, `{"api_key":{"value":"X"}}`, `{"api_key":{"value":"REDACTED"}}`},
		{true, `{"password":123,"\u0070assword":"X"}`, `{"password":"REDACTED","\u0070assword":"REDACTED"}`},
		{true, `{"auth":"X","m":"{\"password\":\"X\",\"secret\":12}"}`, `{"auth":"REDACTED","m":"{\"password\":\"REDACTED\",\"secret\":REDACTED}"}`},
		{true, "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nX\r\n--b--", "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nREDACTED\r\n--b--"},
		{true, "a=1;password=X", "a=1;password=REDACTED"},
		{false, `{"access_token":"X","expires_in":3600}`, `{"access_token":"REDACTED","expires_in":3600}`},
		{false, `{"auth":"none"}`, `{"auth":"none"}`},
	} {
		s := &secrets{known: new(redact.Secrets)}
		if got := s.text(test.text, test.request); got != test.want {
			t.Errorf("%s became %s, want %s", test.text, got, test.want)
		}
	}
	s := &secrets{known: new(redact.Secrets)}
	if got := s.piece(`{"access_token":"X-y","n":"a"}`, 0); got != `{"access_token":"***","n":"a"}` {
		t.Error(got)
	}
}

// Strings beside a secret that all end with its first letter do not let it out.
func TestPiecesBesideManyTexts(t *testing.T) {
	l := New(Limits{})
	w := l.Watch(request(1, "https://up.test/v1", "", "Authorization", "Bearer sesame-0123456789abcdefghijklmnop"))
	w.Response(response(true))
	var tags strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&tags, `"k%d":"yes",`, i)
	}
	for i, piece := range []string{"sesame-01", "23456789", "abcdefgh", "ijklmnop"} {
		w.Event(event(i, fmt.Sprintf(`{%s"delta":%q}`, tags.String(), piece)))
	}
	w.End(exchange.End{How: exchange.Whole, Time: start})
	shown := everything(t, l, 1)
	for _, piece := range []string{"sesame-01", "23456789", "abcdefgh", "ijklmnop"} {
		if strings.Contains(shown, piece) {
			t.Errorf("%s is shown", piece)
		}
	}
}
