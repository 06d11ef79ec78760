package diagcmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// TestJSONValid runs diag on servers of all kinds, and validates its reports with
// the schema that it prints.
func TestJSONValid(t *testing.T) {
	var text bytes.Buffer
	if code := cmd.Run(t.Context(), &term.Streams{Out: &text, Err: &text}, []string{"diag", "--schema"}); code != cli.ExitOK {
		t.Fatalf("--schema: exit %d", code)
	}
	parsed, err := jsonschema.UnmarshalJSON(&text)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.AddResource("schema.json", parsed)
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			w.Write([]byte("id: \x1b\xff\u202e\ndata: \x00\n\n"))
		}
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: 900\r\n\r\nnonsense"))
			conn.Close()
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, test := range []struct {
		url  string
		exit int
	}{
		{server.URL + "/stream", cli.ExitOK},
		{server.URL + "/missing", cli.ExitFailed},
		{server.URL + "/broken", cli.ExitFailed},
		{strings.Replace(server.URL, "http://", "https://", 1), cli.ExitNoRun},
	} {
		var out, errs bytes.Buffer
		code := cmd.Run(context.Background(), &term.Streams{Out: &out, Err: &errs}, []string{"diag", "--format", "json", "--duration", "1s", test.url})
		if code != test.exit {
			t.Errorf("%s: exit %d, want %d: %s", test.url, code, test.exit, errs.String())
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Errorf("%s: %v\n%s", test.url, err, out.String())
			continue
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", test.url, err)
		}
		var report struct{ Exit int }
		if json.Unmarshal(out.Bytes(), &report); report.Exit != code {
			t.Errorf("%s: the report says exit %d, the program %d", test.url, report.Exit, code)
		}
	}
}

// TestInterrupted stops runs when the stream flows and when nothing is there
// yet. Undecided checks are reported as such, in every format.
func TestInterrupted(t *testing.T) {
	for _, silent := range []bool{false, true} {
		asked := make(chan struct{}, 100)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for n := 0; r.Method == http.MethodGet && r.Context().Err() == nil; n++ {
				if !silent {
					fmt.Fprintf(w, "id: %d\ndata: x\n\n", n)
					http.NewResponseController(w).Flush()
				}
				if n > 2 || silent {
					asked <- struct{}{}
					<-r.Context().Done()
				}
			}
		}))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		dir := t.TempDir()
		args := []string{"diag", "--format", "json", server.URL}
		for _, format := range []string{"text", "junit", "tap", "github", "markdown"} {
			args = append(args, "--report", format+"="+filepath.Join(dir, format))
		}
		var out, errs bytes.Buffer
		if code := cmd.Run(ctx, &term.Streams{Out: &out, Err: &errs}, args); code != cli.ExitNoRun {
			t.Errorf("exit %d, want %d: %s", code, cli.ExitNoRun, errs.String())
		}
		server.CloseClientConnections()
		server.Close()
		var report diag.Report
		if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Error == nil || report.Error.Phase != "interrupted" {
			t.Fatalf("%v, error %+v", err, report.Error)
		}
		for _, c := range report.Checks {
			if (c.Group == "buffering" || c.Group == "resume" || c.Group == "framing") && c.Status != diag.Inconclusive {
				t.Errorf("silent %v: %s is %s: %s", silent, c.ID, c.Status, c.Actual)
			}
		}
		for format, want := range map[string]string{"text": "could not test", "junit": "</testsuites>", "tap": "Bail out!", "github": "could not test", "markdown": "interrupted"} {
			if text, err := os.ReadFile(filepath.Join(dir, format)); err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s: %v, without %q: %s", format, err, want, text)
			}
		}
	}
}
