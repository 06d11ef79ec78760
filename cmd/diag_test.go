package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

func TestDiagConfig(t *testing.T) {
	opts := &diagOptions{
		Connection: newConnection(&term.Streams{}), URL: ":8080/events", Format: "text", FailOn: "warn", Profile: "openai", Connections: 2,
		Duration: 5 * time.Second, Soak: time.Minute, Origin: "10.0.0.7:3000", Only: []string{"buffering", "resume"}, Reports: []string{"junit=a=b.xml", "json=c.json"},
	}
	files, err := opts.validate()
	if err != nil {
		t.Fatal(err)
	}
	if want := []reportFile{{format: "junit", name: "a=b.xml"}, {format: "json", name: "c.json"}}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	request, cfg, err := opts.config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := request.URL.String(); got != "http://localhost:8080/events" {
		t.Errorf("URL %s", got)
	}
	if cfg.OriginURL != "http://10.0.0.7:3000" || cfg.Soak != time.Minute || cfg.FailOn != diag.Warn || cfg.Profile != diag.ProfileOpenAI || cfg.Connections != 2 {
		t.Errorf("config %+v", cfg)
	}
	if _, ok := cfg.Client.Transport.(*http.Transport); !ok {
		t.Errorf("the probe needs the transport itself, got %T", cfg.Client.Transport)
	}
}

// TestDiagJSONValid runs diag on servers of all kinds, and holds what it prints
// to the schema that it prints.
func TestDiagJSONValid(t *testing.T) {
	var text bytes.Buffer
	if code := Run(t.Context(), &term.Streams{Out: &text, Err: &text}, []string{"diag", "--schema"}); code != exitOK {
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
		{server.URL + "/stream", exitOK},
		{server.URL + "/missing", exitFailed},
		{server.URL + "/broken", exitFailed},
		{strings.Replace(server.URL, "http://", "https://", 1), exitNoRun},
	} {
		var out, errs bytes.Buffer
		code := Run(context.Background(), &term.Streams{Out: &out, Err: &errs}, []string{"diag", "--format", "json", "--duration", "1s", test.url})
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

// TestDiagInterrupted stops runs when the stream flows and when nothing is there
// yet. What was not decided is called so, in every format.
func TestDiagInterrupted(t *testing.T) {
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
		if code := Run(ctx, &term.Streams{Out: &out, Err: &errs}, args); code != exitNoRun {
			t.Errorf("exit %d, want %d: %s", code, exitNoRun, errs.String())
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
