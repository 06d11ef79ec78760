//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A screenshot is a command line, and the terminal or pipe that it runs on.
type screenshot struct {
	args    string // separated by blanks; 'quotes' keep blanks
	input   string
	width   int  // of the terminal, 0 for a pipe
	noColor bool // on the terminal
	stops   bool // SIGINT comes after the first line on stderr
}

// golden runs command lines and compares their output, byte for byte but for
// times, sizes of time and ports, with a file in testdata/golden. It is
// rewritten by "go test ./cmd -run Golden -update": read the diff.
func golden(t *testing.T, name string, urls map[string]string, shots ...screenshot) {
	t.Helper()
	var page bytes.Buffer
	for _, shot := range shots {
		args := splitWords(shot.args)
		for i := range args {
			for name, url := range urls {
				args[i] = strings.ReplaceAll(args[i], name, url)
			}
		}
		place := ""
		switch {
		case shot.width > 0:
			place = fmt.Sprintf("  # a terminal of %d columns", shot.width)
		case shot.input != "":
			place = fmt.Sprintf("  # of %q", shot.input)
		case shot.stops:
			place = "  # and Ctrl-C"
		}
		fmt.Fprintf(&page, "$ ssectl %s%s\n", shot.args, place)
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		errs := &stopper{stop: func() {}}
		if shot.stops {
			errs.stop = cancel
		}
		code := cmd.Run(ctx, &term.Streams{
			In: strings.NewReader(shot.input), Out: &out, Err: errs, Width: shot.width,
			OutTerminal: shot.width > 0, ErrTerminal: shot.width > 0, NoColor: shot.noColor,
		}, args)
		cancel()
		page.WriteString(plain(out.String(), "", urls))
		page.WriteString(plain(errs.String(), "stderr: ", urls))
		fmt.Fprintf(&page, "exit code %d\n\n", code)
	}
	compareGolden(t, name, page.String())
}

// A stopper collects the output and calls stop with each write.
type stopper struct {
	bytes.Buffer
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	s.stop()
	return s.Buffer.Write(p)
}

// goldenDir is absolute, as tests change their directory.
var goldenDir, _ = filepath.Abs("../testdata/golden")

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join(goldenDir, name+".txt")
	if *cmd.Update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("testdata/golden/%s.txt: %s", name, cmdtest.FirstDifference(got, string(want)))
	}
}

// splitWords splits a command line at blanks that are not in quotes.
func splitWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// varying are the parts of an output that differ from run to run.
var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z`), "TIME"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d\d\d`), "HH:MM:SS.mmm"},
	{regexp.MustCompile(` *\+[\d.]+(µs|ms|s)`), " +GAP"},
	{regexp.MustCompile(`(reconnecting in|headers|first byte|first event|first text|p50|p95|p99|max) [\d.]+(µs|ms|s)`), "$1 SPAN"},
	{regexp.MustCompile(` in [\d.]+(µs|ms|s), (\d+ connection)`), " in SPAN, $2"},
	{regexp.MustCompile(`bytes, [\d.]+(µs|ms|s): `), "bytes, SPAN: "},
	{regexp.MustCompile(`"(\w+_ms|p50|p95|p99|max)":[\d.]+`), `"$1":0`},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(?i)(date|etag): [^\n]*`), "$1: X"},
	{regexp.MustCompile(`User-Agent: ssectl/\S+`), "User-Agent: ssectl/VERSION"},
	{regexp.MustCompile(`\d+\.\d s   exit`), "SPAN   exit"},
}

// plain makes an output comparable, each line with a prefix.
func plain(text, prefix string, urls map[string]string) string {
	for name, url := range urls {
		text = strings.ReplaceAll(text, url, name)
	}
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	text = strings.NewReplacer("\x1b", "␛", "\r", "␍", "\x00", "␀").Replace(text)
	var page strings.Builder
	for line := range strings.Lines(text) {
		page.WriteString(prefix + line)
		if !strings.HasSuffix(line, "\n") {
			page.WriteString("␄\n") // no line end
		}
	}
	return page.String()
}

// TestGoldenHelp holds all help pages.
func TestGoldenHelp(t *testing.T) {
	var shots []screenshot
	for _, args := range []string{"", "--help", "listen --help", "serve --help", "serve --help faults", "serve --help as", "serve --help fakes", "diag --help", "demo --help", "version --help", "help serve"} {
		shots = append(shots, screenshot{args: args})
	}
	for _, width := range []int{50, 80, 200} {
		for _, args := range []string{"--help", "listen --help", "serve --help", "serve --help faults", "serve --help as", "serve --help fakes", "diag --help", "diag --explain end-clean"} {
			shots = append(shots, screenshot{args: args, width: width})
		}
	}
	shots = append(shots, screenshot{args: "diag --explain end-clean"})
	golden(t, "help", nil, shots...)
}

// TestGoldenEvents holds each format on terminals and in pipes.
func TestGoldenEvents(t *testing.T) {
	const samples = "../testdata/streams/"
	var shots []screenshot
	for _, args := range []string{
		"corners.sse --comments", "mercure.sse --comments", "flags.sse --pretty", "openai-chat.sse -n 4",
	} {
		for _, format := range []string{"text", "json", "data", "raw"} {
			line := "listen " + samples + args + " --format " + format
			shots = append(shots, screenshot{args: line}, screenshot{args: line, width: 80, noColor: true})
			if format == "text" {
				shots = append(shots, screenshot{args: line, width: 40}, screenshot{args: line, width: 120}, screenshot{args: line + " --color always"})
			}
		}
	}
	const odd = ": \x1b[31m\n\nid: \x1b\xff\u202e\nevent: a\u2028b\ndata: tab\there \x07\u009b31m\ndata: 漢字 \u2066x\n\n"
	for _, format := range []string{"text", "json", "data", "raw"} {
		for _, width := range []int{0, 60} {
			shots = append(shots, screenshot{args: "listen - --comments --format " + format, input: odd, width: width})
		}
	}
	shots = append(shots,
		screenshot{args: "listen " + samples + "openai-chat.sse --as openai --text"},
		screenshot{args: "listen " + samples + "openai-chat.sse --as openai --text --stats", width: 60},
		screenshot{args: "listen " + samples + "openai-chat.sse --jq '.json.choices[0].delta.content // empty' -n 3"},
		screenshot{args: "listen " + samples + "openai-chat.sse --jq '.json.choices[].index'"},
		screenshot{args: "listen " + samples + "graphql-sse.sse --stats=json"},
	)
	golden(t, "events", nil, shots...)
}

// TestGoldenNotes holds the notes of a listener on its connection: reconnection,
// resume, a gap, headers, hints.
func TestGoldenNotes(t *testing.T) {
	text := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, text)
	}
	resumes := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Last-Event-ID") {
		case "":
			text(w, "retry: 1\n\nid: 1\ndata: a\n\n")
		case "1":
			text(w, "id: 2\nevent: bye\ndata: b\n\nid: 3\ndata: cut")
		case "2":
			w.Header().Set("Last-Event-ID", "5")
			text(w, "id: 6\ndata: d\n\n")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	noIDs := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { text(w, "retry: 1\n\ndata: a\n\n") })
	stale := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") == "" {
			text(w, "id: 1\nretry: 1\ndata: a\n\n")
		} else {
			text(w, ": nothing\n\n")
		}
	})
	coded := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		text(w, "data: a\n\n")
	})
	busy := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "later", http.StatusServiceUnavailable) })
	urls := map[string]string{"RESUMES": resumes, "NOIDS": noIDs, "STALE": stale, "CODED": coded, "BUSY": busy}
	golden(t, "notes", urls,
		screenshot{args: "listen RESUMES"},
		screenshot{args: "listen RESUMES", width: 80},
		screenshot{args: "listen RESUMES --color never --stats=json -n 2", width: 80},
		screenshot{args: "listen RESUMES --reconnect-on bye --format raw"},
		screenshot{args: "listen NOIDS -n 3 --format data"},
		screenshot{args: "listen STALE -n 2 --fresh-after 2 --format data"},
		screenshot{args: "listen CODED --no-reconnect --format data"},
		screenshot{args: "listen BUSY --retry-on 503 --retry 2 --retry-delay 0"},
		screenshot{args: "listen NOIDS --no-reconnect -i --format raw", width: 80},
		screenshot{args: "listen NOIDS --no-reconnect -i --format json"},
		screenshot{args: "listen NOIDS --no-reconnect -v -u me:secret --format data"},
	)
}

// TestGoldenErrors holds an error of each exit code, with its hint.
func TestGoldenErrors(t *testing.T) {
	page := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<title>Sign in</title>") })
	answer := func(status int, contentType, body string) string {
		return cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
	cut := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "data: a\n\ndata: b")
	})
	silent := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	urls := map[string]string{
		"PAGE": page, "CUT": cut, "SILENT": silent,
		"KEY": answer(401, "text/plain", "bad key"), "API": answer(200, "application/json", `{"a":1}`), "PLAIN": answer(200, "text/plain", "data: x\n\n"),
		"METHOD": answer(405, "text/plain", ""), "MANY": answer(429, "text/plain", "slow down"),
	}
	var shots []screenshot
	for _, args := range []string{
		"bogus", "lsten", "--foo", "version extra",
		"listen", "listen a b", "listen x --nosuch", "listen x --no-reconect", "listen x -n x", "listen x -m soon", "listen x -m -1",
		"listen x --format xml", "listen x --color pink", "listen x --stats=xml", "listen x --max-event-size 0", "listen x --resume maybe",
		"listen x --as opnai", "listen x --text", "listen x --as openai --text --jq .data", "listen x --jq .[", "listen x --filter .[", "listen x --retry-on abc",
		"listen x --event=", "listen x --resume range --compressed", "listen ftp://h/", "listen http:/h/", "listen h:99999", "listen 'http://'", "listen h -H nocolon",
		"listen h -H 'Bad Name: x'", "listen h -H 'Content-Length: 5'", "listen h -H 'Transfer-Encoding: x'", "listen h -u me", "listen h -4 -6", "listen h --resolve x",
		"listen h --connect-to x", "listen h -x ftp://x", "listen h --key k", "listen h --cacert /none.pem", "listen h -b /none", "listen h -d @/none", "listen - --cursor c", "listen - --save-har h",
		"listen /none.sse", "listen ../cmd", "listen http://127.0.0.1:1", "listen http://127.0.0.1:1 --retry 1 --retry-delay 0", "listen http://127.0.0.1:1 -x 127.0.0.1:1",
		"listen PAGE", "listen KEY", "listen KEY -H 'Authorization: x'", "listen API", "listen PLAIN", "listen METHOD", "listen MANY",
		"listen CUT --no-reconnect --format data", "listen CUT --no-reconnect --until-event x --format data", "listen CUT -n 1 --fail-if .data==\"a\" --format data", "listen CUT -d x --as openai --format data",
		"listen SILENT --no-reconnect --idle-timeout 50ms", "listen SILENT --no-reconnect --event-timeout 50ms", "listen SILENT -m 0.05 --until-event x",
		"serve /none", "serve ..", "serve x --pace often", "serve x --pac 1", "serve x --speed 0", "serve x --jitter 120%", "serve x --loop=0", "serve x --from yaml", "serve x --ids x", "serve x --at-end explode",
		"serve x --on-unknown-id x", "serve x --clock 1", "serve x --clock 1s", "serve --route feed=x", "serve x -H nocolon", "serve x --fault drp@5", "serve x --fault drop=5", "serve --clock 1s --addr localhost",
		"serve --clock 1s --cert /none.pem", "serve --clock 1s -p x", "serve a b", "serve ../testdata/streams/corners.sse --fault drop@99",
		"diag", "diag x --format pdf", "diag x --report junit", "diag x --fail-on maybe", "diag x --profile bard", "diag x --credentials", "diag x --only nothing", "diag x --connections 9", "diag x --duration 0s",
		"diag x --quick=maybe", "diag --explain nothing", "diag ftp://h/", "diag x --duration 5", "diag x --report json=/none/x", "diag a b",
	} {
		shots = append(shots, screenshot{args: args})
	}
	for _, input := range []string{"{\"error\":1}", "<html>", "{\"data\":\"x\"}\n", "HTTP/1.1 200 OK\n", "\x1f\x8b", "\x00\x01\n", "data: half"} {
		shots = append(shots, screenshot{args: "listen -", input: input})
	}
	shots = append(shots, screenshot{args: "listen SILENT", stops: true})
	golden(t, "errors", urls, shots...)
}

// TestGoldenServe holds the log of a server, and its first line.
func TestGoldenServe(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"events.jsonl": "{\"id\":\"1\",\"data\":\"a\"}\n{\"id\":\"2\",\"data\":\"b\"}\n", "lines.txt": "a\nb\n", "chat.sse": "data: x\n\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var page bytes.Buffer
	for _, test := range []struct {
		args, input string
		lines       int      // of the log before the first request
		requests    []string // method, path, last event ID
	}{
		{"events.jsonl", "", 1, []string{"GET / ", "GET / 1", "GET / 2", "GET / nope", "POST /any ", "GET /.ssectl/stats "}},
		{"events.jsonl --path /feed --on-unknown-id 409 --close-event bye", "", 1, []string{"GET /feed ", "GET /feed x", "GET /else "}},
		{"lines.txt --fault drop@1 --fault status=503@2", "", 1, []string{"GET / ", "GET / "}},
		{"--route 'POST /v1/{x}=chat.sse' --route /feed=lines.txt", "", 1, []string{"POST /v1/chat ", "GET /v1/chat ", "GET /feed "}},
		{"--once", "{\"data\":\"a\"}\nbroken\n", 2, []string{"GET / "}},
		{"--exec 'echo one; exit 3' --quiet", "", 2, []string{"GET / "}},
		{"events.jsonl --unix-socket s.sock", "", 1, nil},
	} {
		fmt.Fprintf(&page, "$ ssectl serve %s\n", test.args)
		server := cmdtest.Start(t, strings.NewReader(test.input), splitWords(test.args)...)
		server.Log.Await(test.lines) // live input has come
		for _, request := range test.requests {
			method, rest, _ := strings.Cut(request, " ")
			path, id, _ := strings.Cut(rest, " ")
			base, _, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), "/")
			req, err := http.NewRequest(method, "http://"+base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if id != "" {
				req.Header.Set("Last-Event-ID", id)
			}
			lines := strings.Count(server.Log.String(), "\n")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if !strings.Contains(test.args, "--quiet") && !strings.HasPrefix(path, "/.ssectl") {
				server.Log.Await(lines + 1)
			}
		}
		server.Stop()
		code := <-server.Code
		urls := map[string]string{"URL": strings.TrimSuffix(server.URL, "/")}
		page.WriteString(plain(server.Log.String(), "stderr: ", urls))
		fmt.Fprintf(&page, "exit code %d\n\n", code)
	}
	compareGolden(t, "serve", page.String())
}
