package tape

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// write writes the files of a directory.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Files that are written by hand have only what matters.
func TestByHand(t *testing.T) {
	dir := write(t, map[string]string{
		"models.jsonl": `{"meta":{"request":{"path":"/v1/models"},"response":{"json":{"data":[]}}}}`,
		"chat.jsonl": `{"meta":{"request":{"method":"POST","path":"/v1/chat"}}}` + "\n" +
			`{"data":{"text":"Hi"}}` + "\n" + `{"data":"[DONE]"}` + "\n",
		"limit.jsonl": `{"meta":{"request":{"path":"/limit"},"response":{"status":429,"headers":{"Retry-After":"1","X":["a","b"]},"body":"later"}}}` + "\n" +
			`{"meta":{"request":{"path":"/limit"},"response":{"body":"now"}}}` + "\n",
		"cut.jsonl":      `{"meta":{"request":{"path":"/cut"},"end":{"how":"truncated"}}}` + "\n" + `{"data":"a"}` + "\n",
		"json.jsonl":     `{"meta":{"request":{"path":"/json","json":{"b":1.0,"a":[1,{"x":null}]}},"response":{"body":"it"}}}`,
		"z-listen.jsonl": `{"meta":{"response":{"status":200,"protocol":"HTTP/2.0"}}}` + "\n" + `{"event":"message","data":"any"}` + "\n" + `{"meta":{"ended":"x"}}`,
		"README.md":      "not a tape",
	})
	_, base := play(t, dir, Options{Note: func(s string) { t.Error(s) }})
	for _, test := range []struct {
		call
		want string
	}{
		{call{method: "GET", target: "/v1/models"}, `200 application/json {"data":[]} <nil>`},
		{call{method: "POST", target: "/v1/chat", body: `{"x":1}`}, "200 text/event-stream data: {\"text\":\"Hi\"}\n\ndata: [DONE]\n\n <nil>"},
		{call{method: "GET", target: "/limit"}, "429 later <nil>"},
		{call{method: "GET", target: "/limit"}, "200 now <nil>"},
		{call{method: "GET", target: "/limit"}, "200 now <nil>"},
		{call{method: "GET", target: "/cut"}, "200 text/event-stream data: a\n\n unexpected EOF"},
		{call{method: "PUT", target: "/json", body: `{ "a" : [1e0, {"x":null}], "b":1 }`}, "200 it <nil>"},
		{call{method: "GET", target: "/other?x"}, "200 text/event-stream data: any\n\n <nil>"},
	} {
		response, text, err := ask(t, base, test.call)
		kind := ""
		if k := response.Header.Get("Content-Type"); !strings.HasPrefix(k, "text/plain") {
			kind = k + " "
		}
		if got := fmt.Sprintf("%d %s%s %v", response.StatusCode, kind, text, err); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.method, test.target, got, test.want)
		}
	}
}

// A status that is a fault takes no turn: the client comes back for the recording. Each
// test has the turns from the beginning.
func TestTurnsOfTests(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/x"},"response":{"body":"one"}}}`,
		"2.jsonl": `{"meta":{"request":{"path":"/x"},"response":{"body":"two"}}}`,
		"3.jsonl": `{"meta":{"request":{"path":"/y"},"response":{"body":"y"}}}`,
	})
	busy, err := fault.Parse("status=503:#1")
	if err != nil {
		t.Fatal(err)
	}
	player, base := play(t, dir, Options{Faults: []fault.Fault{busy}})
	for i, test := range []struct{ test, want string }{
		{"", "503"}, {"", "one"}, {"a", "503"}, {"", "two"}, {"a", "one"}, {"", "two"}, {"b", "503"}, {"a", "two"},
	} {
		response, text, _ := ask(t, base, call{method: "GET", target: "/x", header: http.Header{"X-Ssectl-Test": {test.test}}})
		if text != test.want && fmt.Sprint(response.StatusCode) != test.want {
			t.Errorf("%d: test %q gets %q, want %q", i, test.test, text, test.want)
		}
	}
	if got := fmt.Sprint(player.Left()); got != "[3.jsonl]" {
		t.Errorf("left are %s", got)
	}
}

func TestNothingMatches(t *testing.T) {
	dir := write(t, map[string]string{
		"0001-a.jsonl": `{"meta":{"request":{"method":"POST","path":"/v1/chat?a=1","json":{"model":"m","messages":[{"content":"hello"}]}},"response":{"body":"x"}}}`,
		"0002-b.jsonl": `{"meta":{"request":{"method":"GET","path":"/v1/models"},"response":{"body":"x"}}}`,
	})
	var notes []string
	_, base := play(t, dir, Options{Note: func(s string) { notes = append(notes, s) }})
	response, text, _ := ask(t, base, call{method: "POST", target: "/v1/chat?a=1", body: `{"model":"m","messages":[{"content":"sk-proj-Ab3dEf6hIj9kLm2nOp5q"}],"api_key":"hunter2hunter2"}`})
	var answer refusal
	if err := json.Unmarshal([]byte(text), &answer); err != nil || response.StatusCode != 501 || response.Header.Get("X-Should-Retry") != "false" {
		t.Fatal(response.StatusCode, text, err)
	}
	want := `no recording matches POST /v1/chat?a=1; the nearest is 0001-a.jsonl: body .api_key is "REDACTED", recorded absent; body .messages[0].content is "REDACTED", recorded "hello"`
	if answer.Error.Message != want || len(notes) != 1 || notes[0] != want || answer.Error.Nearest != "0001-a.jsonl" {
		t.Errorf("%q\nnoted %q, want\n%q", answer.Error.Message, notes, want)
	}
	for request, want := range map[string]string{
		"POST /v1/chat?a=2": `query is {"a":"2"}, recorded {"a":"1"}`,
		"GET /v1/model":     `path is "/v1/model", recorded "/v1/models"`,
		"PUT /v1/models":    `the nearest is 0002-b.jsonl: method is "PUT", recorded "GET"`,
	} {
		method, target, _ := strings.Cut(request, " ")
		if _, text, _ := ask(t, base, call{method: method, target: target}); !strings.Contains(text, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %s, want %s", request, text, want)
		}
	}
	_, empty := play(t, t.TempDir(), Options{})
	if response, text, _ := ask(t, empty, call{method: "GET", target: "/"}); response.StatusCode != 501 || !strings.Contains(text, "there is none") {
		t.Errorf("no tapes: %d %s", response.StatusCode, text)
	}
}

func TestMatchParts(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"method":"POST","path":"/a","headers":{"X-Version":"1","Accept":"a"},"json":{"user":"x","text":"a"}},"response":{"body":"one"}}}`,
		"2.jsonl": `{"meta":{"request":{"method":"POST","path":"/b","headers":{"Accept":"b"},"json":{"user":"y","text":"b"}},"response":{"body":"two"}}}`,
	})
	parts := func(text string) []Part {
		list, err := ParseParts(text)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	without := func(r map[string]any) (any, error) {
		if body, ok := r["json"].(map[string]any); ok {
			delete(body, "user")
		}
		return r, nil
	}
	text := func(r map[string]any) (any, error) {
		body, _ := r["json"].(map[string]any)
		return body["text"], nil
	}
	for _, test := range []struct {
		options Options
		call
		want string
	}{
		{Options{Match: parts("path")}, call{method: "GET", target: "/b?x=1"}, "two"},
		{Options{Match: parts("method")}, call{method: "POST", target: "/x"}, "one"},
		{Options{Match: parts("header:accept")}, call{method: "GET", header: http.Header{"Accept": {"b"}}}, "two"},
		{Options{Match: parts("path, header:x-version")}, call{method: "GET", target: "/a"}, ""},
		{Options{Match: parts("header:x-version")}, call{method: "GET", target: "/a"}, "two"},
		{Options{Normalize: without}, call{method: "POST", target: "/a", body: `{"user":"z","text":"a"}`}, "one"},
		{Options{Normalize: without}, call{method: "POST", target: "/a", body: `{"user":"z","text":"b"}`}, ""},
		{Options{Normalize: text}, call{method: "POST", target: "/b", body: `{"z":1,"text":"b"}`}, "two"},
	} {
		_, base := play(t, dir, test.options)
		response, text, _ := ask(t, base, test.call)
		if response.StatusCode == 501 {
			text = ""
		}
		if text != test.want {
			t.Errorf("%v %v: %q, want %q", test.options.Match, test.call, text, test.want)
		}
	}
	for _, bad := range []string{"", "path,", "head", "header:", "header:a b"} {
		if list, err := ParseParts(bad); err == nil {
			t.Errorf("%q is read as %v", bad, list)
		}
	}
}

// The same request again gets the next recording, and then the last one again.
func TestRepeated(t *testing.T) {
	r := newRecorder(t)
	for i := range 3 {
		take(t, r.Watch, call{method: "GET", target: "/", status: 200, text: fmt.Sprint(i), how: exchange.Whole}, 10)
		take(t, r.Watch, call{method: "GET", target: "/x", status: 200, text: "x", how: exchange.Whole}, 10)
	}
	write := `{"meta":{"response":{"body":"other"}}}`
	if err := os.WriteFile(filepath.Join(r.Dir, "zz.jsonl"), []byte(write), 0o600); err != nil {
		t.Fatal(err)
	}
	_, base := play(t, r.Dir, Options{})
	if response, text, _ := ask(t, base, call{method: "HEAD", target: "/"}); response.StatusCode != 200 || text != "" || response.ContentLength > 1 {
		t.Errorf("HEAD: %d %q", response.StatusCode, text)
	}
	for _, want := range []string{"0", "1", "2", "2", "2"} {
		if _, text, _ := ask(t, base, call{method: "GET", target: "/"}); text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
	if _, text, _ := ask(t, base, call{method: "GET", target: "/y"}); text != "other" {
		t.Errorf("%q, want other", text)
	}
}

func TestCORS(t *testing.T) {
	dir := write(t, map[string]string{"1.jsonl": `{"meta":{"request":{"method":"POST","path":"/a"},"response":{"body":"one"}}}`})
	_, base := play(t, dir, Options{CORS: "https://page.test"})
	response, _, _ := ask(t, base, call{method: "OPTIONS", target: "/a", header: http.Header{"Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"x-a"}, "Origin": {"https://page.test"}}})
	if h := response.Header; response.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://page.test" || h.Get("Access-Control-Allow-Headers") != "x-a" {
		t.Errorf("preflight: %d %v", response.StatusCode, h)
	}
	for _, target := range []string{"/a", "/none"} {
		if response, _, _ := ask(t, base, call{method: "POST", target: target}); response.Header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %v", target, response.Header)
		}
	}
}

// A recorder that was killed leaves a file without its end, and perhaps half a line.
func TestCutFile(t *testing.T) {
	r := newRecorder(t)
	take(t, r.Watch, call{method: "GET", target: "/", status: 200, answer: sse, text: strings.Repeat("data: x\n\n", 10), how: exchange.Whole}, 9)
	files, _ := filepath.Glob(filepath.Join(r.Dir, "*"))
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole)-1; n += 3 {
		if err := os.WriteFile(files[0], whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		var notes []string
		player, err := Open(r.Dir, Options{Wait: atOnce, Note: func(s string) { notes = append(notes, s) }})
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		events := strings.Count(string(whole[:n]), `"event"`)
		if n > 0 && whole[n-1] != '\n' {
			events = strings.Count(string(whole[:n][:strings.LastIndexByte(string(whole[:n]), '\n')+1]), `"event"`)
		}
		if player.Len() == 0 {
			if strings.Count(string(whole[:n]), "\n") > 1 {
				t.Errorf("%d bytes: no recording: %q", n, notes)
			}
			continue
		}
		if len(notes) == 0 {
			t.Errorf("%d bytes: no note", n)
		}
		if n%5 != 0 {
			continue
		}
		_, base := play(t, r.Dir, Options{})
		_, text, err := ask(t, base, call{method: "GET", target: "/"})
		if got := strings.Count(text, "data: x\n\n"); err == nil || got < events || got > events+1 {
			t.Errorf("%d bytes with %d events: played %d, ended with %v", n, events, got, err)
		}
	}
}

// At recorded pace, an answer takes as long as it took.
func TestPace(t *testing.T) {
	dir := write(t, map[string]string{"1.jsonl": `{"time":"2026-01-01T00:00:00Z","meta":{"request":{"method":"GET","path":"/"}}}
{"time":"2026-01-01T00:00:02Z","meta":{"response":{"status":200}}}
{"data":"a","time":"2026-01-01T00:00:03Z"}
{"data":"b","time":"2026-01-01T01:00:03Z"}
{"data":"c","delay":"5s"}
{"time":"2026-01-01T01:00:10Z","meta":{"end":{"how":"whole"}}}
`})
	synctest.Test(t, func(t *testing.T) {
		player, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		w := &timed{start: start, header: http.Header{}}
		request, _ := http.NewRequest("GET", "/", nil)
		player.ServeHTTP(w, request)
		const want = "2s  3s data: a\n\n 1h0m3s data: b\n\n 1h0m8s data: c\n\n 1h0m10s"
		if got := w.log.String() + time.Since(start).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// timed notes when each write comes.
type timed struct {
	start  time.Time
	header http.Header
	log    strings.Builder
}

func (w *timed) Header() http.Header { return w.header }
func (w *timed) WriteHeader(int)     {}
func (w *timed) Flush()              {}
func (w *timed) Write(p []byte) (int, error) {
	fmt.Fprintf(&w.log, "%v %s ", time.Since(w.start), p)
	return len(p), nil
}

// Files that somebody made to do harm are refused, or do none.
func TestHostileFiles(t *testing.T) {
	for text, want := range map[string]string{
		"{\n{}":                               "line 1",
		"x\ny":                                "line 1",
		`{"meta":{"response":[]}}` + "\n{}":   "meta",
		`{"meta":{"response":{"status":99}}}`: "status 99",
		`{"meta":{"response":{"headers":{"A":"b\r\nC: d"}}}}` + "\n{}":         "cannot be sent",
		`{"meta":{"response":{"headers":{"A\r\nB":"c"}}}}` + "\n{}":            "cannot be sent",
		`{"meta":{"response":{"headers":{"A":1}}}}` + "\n{}":                   "headers",
		`{"meta":{"response":{"body_b64":"*"}}}` + "\n{}":                      "body_b64",
		`{"meta":{"response":{"json":{},"indent":"xxxx"}}}` + "\n{}":           "indent",
		`{"meta":{"end":{"how":"exploded"}}}` + "\n{}":                         "how",
		`{"meta":{"end":{"how":"whole","trailers":{"A":"b\nc"}}}}` + "\n{}":    "cannot be sent",
		`{"meta":{"request":{}}}` + "\n" + `{"id":"a\nb","data":"x"}` + "\n{}": "line 2",
	} {
		dir := write(t, map[string]string{"a.jsonl": text})
		_, err := Open(dir, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	// A name, a path and a body with control characters, and a path out of the
	// directory.
	var notes []string
	dir := write(t, map[string]string{"a\x1b[2J.jsonl": `{"meta":{"request":{"method":"G\u001b[2J","path":"/../../etc/passwd"}}}`})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "b.jsonl")); err == nil {
		if _, err := Open(dir, Options{}); err == nil {
			t.Error("a link to another file is read as a tape")
		}
		os.Remove(filepath.Join(dir, "b.jsonl"))
	}
	player, err := Open(dir, Options{Note: func(s string) { notes = append(notes, s) }})
	if err != nil || player.Len() != 0 || len(notes) != 1 {
		t.Fatal(err, notes)
	}
}

func TestNames(t *testing.T) {
	for _, test := range [][3]string{
		{"POST", "/v1/chat/completions", "POST-v1-chat-completions"},
		{"GET", "/", "GET"},
		{"GET", "/../../etc/passwd", "GET-..-..-etc-passwd"},
		{"GET", "/a%2Fb\x1b[2J:*?\"<>|\\c", "GET-a-2Fb-2J-c"},
		{"GET", "/ü/x.", "GET-x"},
		{"GET", "/" + strings.Repeat("a", 500), "GET-" + strings.Repeat("a", maxName-4)},
	} {
		if got := fileName(test[0], test[1]); got != test[2] {
			t.Errorf("%s %s is %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

// Several processes may record to one directory, and do not overwrite each other.
func TestTwoRecorders(t *testing.T) {
	r := newRecorder(t)
	other := &Recorder{Dir: r.Dir, Failed: r.Failed}
	var wg sync.WaitGroup
	for _, r := range []*Recorder{r, other} {
		for range 20 {
			wg.Go(func() {
				take(t, r.Watch, call{method: "GET", target: "/a", status: 200, answer: sse, text: "data: x\n\n", how: exchange.Whole}, 3)
			})
		}
	}
	wg.Wait()
	player, base := play(t, r.Dir, Options{})
	if player.Len() != 40 {
		t.Errorf("%d recordings of 40 exchanges", player.Len())
	}
	for range 40 {
		wg.Go(func() {
			if _, text, err := ask(t, base, call{method: "GET", target: "/a"}); text != "data: x\n\n" || err != nil {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
	wg.Wait()
	later := &Recorder{Dir: r.Dir, Failed: r.Failed}
	take(t, later.Watch, call{method: "GET", target: "/later", status: 200, how: exchange.Whole}, 3)
	files, _ := filepath.Glob(filepath.Join(r.Dir, "*later*"))
	if len(files) != 1 || filepath.Base(files[0]) != "0041-GET-later.jsonl" {
		t.Errorf("the next file is %q", files)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

// An answer that comes before the request is whole waits for its secrets.
func TestEarlyAnswer(t *testing.T) {
	r := newRecorder(t)
	request := &exchange.Request{Time: time.Now(), Method: "POST", URL: mustParse(t, "http://h/a"), Header: http.Header{"Content-Type": {"application/json"}}}
	w := r.Watch(request)
	request.Passed([]byte(`{"password":"hunt`), 1000)
	w.Response(&exchange.Response{Status: 200, Header: http.Header{}})
	w.Body([]byte("it is hunter2hunter2"))
	request.Passed([]byte(`er2hunter2"}`), 1000)
	request.Finished()
	w.End(exchange.End{How: exchange.Whole})
	onTape := tapes(t, r.Dir)
	if strings.Contains(onTape, "hunter") || strings.Count(onTape, "REDACTED") != 2 {
		t.Error(onTape)
	}
}

// A body that is too large is kept in part, and marked.
func TestLargeBody(t *testing.T) {
	r := newRecorder(t)
	r.MaxBody = 1000
	c := call{method: "POST", target: "/a", body: `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, status: 200, answer: http.Header{"Content-Type": {"application/json"}}, text: `"` + strings.Repeat("y", 5000) + `"`, how: exchange.Whole}
	take(t, r.Watch, c, 100)
	if onTape := tapes(t, r.Dir); !strings.Contains(onTape, `"size":5002`) || !strings.Contains(onTape, `"size":1048584`) {
		t.Error(onTape[len(onTape)-2000:])
	}
	_, base := play(t, r.Dir, Options{})
	response, text, err := ask(t, base, c)
	if response.StatusCode != 200 || text != c.text[:1000] || err == nil {
		t.Errorf("%d %q %v", response.StatusCode, text, err)
	}
}

func TestFullDisk(t *testing.T) {
	failed := 0
	r := &Recorder{Dir: filepath.Join(t.TempDir(), "file", "below"), Failed: func(error) { failed++ }}
	if err := os.WriteFile(filepath.Dir(r.Dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Open(); err == nil {
		t.Error("a directory below a file is opened")
	}
	if w := r.Watch(&exchange.Request{Method: "GET", URL: mustParse(t, "http://h/a")}); w != nil || failed != 1 {
		t.Errorf("%v watches, %d errors", w, failed)
	}
}

// FuzzTape opens any file, and plays what it has.
func FuzzTape(f *testing.F) {
	f.Add([]byte(`{"meta":{"request":{"method":"GET","path":"/"},"response":{"json":[1],"indent":"  "},"end":{"how":"reset"}}}`))
	f.Add([]byte("{\"data\":\"x\",\"raw\":\"data:x\\n\\n\"}\n{\"meta\":{\"dropped\":{}}}\n{\"meta\":{\"response\":{}}}\n{\"data"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.jsonl"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		player, err := Open(dir, Options{Wait: atOnce, Match: []Part{PartMethod}})
		if err != nil {
			return
		}
		for range player.Len() + 1 {
			func() {
				defer func() {
					if p := recover(); p != nil && p != http.ErrAbortHandler {
						panic(p)
					}
				}()
				request, _ := http.NewRequest("GET", "/", io.NopCloser(strings.NewReader("x")))
				player.ServeHTTP(&timed{start: time.Now(), header: http.Header{}}, request)
			}()
		}
	})
}

// Faults break what is played.
func TestFaults(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/s"}}}` + "\n" + `{"data":"a"}` + "\n" + `{"comment":"c"}` + "\n" + `{"data":"b"}` + "\n",
		"2.jsonl": `{"meta":{"request":{"path":"/j"},"response":{"json":[1]}}}`,
	})
	for text, want := range map[string]string{
		"drop@1":             "200 data: a\n\n unexpected EOF",
		"reset@1":            "200 data: a\n\n reset",
		"truncate@2":         "200 data: a\n\n: c\n\ndata unexpected EOF",
		"duplicate@2":        "200 data: a\n\n: c\n\ndata: b\n\ndata: b\n\n <nil>",
		"eol=cr":             "200 data: a\r\r: c\r\rdata: b\r\r <nil>",
		"buffer=1k":          "200 data: a\n\n: c\n\ndata: b\n\n <nil>",
		"status=503":         "503 Service Unavailable\n <nil>",
		"drop@1:POST":        "200 data: a\n\n: c\n\ndata: b\n\n <nil>",
		"status=503:/j":      "200 data: a\n\n: c\n\ndata: b\n\n <nil>",
		"status=503:/s #2-3": "200 data: a\n\n: c\n\ndata: b\n\n <nil>",
	} {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, base := play(t, dir, Options{Faults: []fault.Fault{f}})
		response, body, err := ask(t, base, call{method: "GET", target: "/s"})
		end := "<nil>"
		switch {
		case err != nil && strings.Contains(err.Error(), "reset"):
			end = "reset"
		case err != nil:
			end = err.Error()
		}
		if got := fmt.Sprintf("%d %s %s", response.StatusCode, body, end); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if _, body, err := ask(t, base, call{method: "GET", target: "/j"}); text != "status=503" && text != "status=503:/j" && (body != "[1]" || err != nil) {
			t.Errorf("%s: another answer is %q, %v", text, body, err)
		}
	}
}
