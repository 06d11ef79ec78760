package relay

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

func parseAll(t *testing.T, texts ...string) (faults []fault.Fault) {
	t.Helper()
	for _, text := range texts {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	return faults
}

// eventText returns event n as the upstream sends it, in no canonical form.
func eventText(n int) string { return fmt.Sprintf("id:%d\r\ndata: event ü %d\r\n\r\n", n, n) }

// events serves five events and a comment, compressed if the client accepts that.
func events(w http.ResponseWriter, r *http.Request) {
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.URL.Path == "/compressed" {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out = z
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Header.Get("Last-Event-ID") != "" {
		io.WriteString(out, ": resumed\n\n")
	}
	for n := 1; n <= 5; n++ {
		io.WriteString(out, eventText(n))
		if n == 2 {
			io.WriteString(out, ": comment\n\n")
		}
		if z, ok := out.(*gzip.Writer); ok {
			z.Flush()
		}
		http.NewResponseController(w).Flush()
	}
}

// part returns the stream up to event n.
func part(n int) (text string) {
	for i := 1; i <= n; i++ {
		text += eventText(i)
		if i == 2 {
			text += ": comment\n\n"
		}
	}
	return text
}

// TestFaultsOfAStream has each fault on a stream of an upstream, which compresses
// where it may, or whatever it is asked.
func TestFaultsOfAStream(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(events))
	defer up.Close()
	for _, test := range []struct {
		faults string
		body   string
		ends   string
		how    exchange.How
		events int64
	}{
		{"drop@3", part(3), "truncated", exchange.Fault, 3},
		{"reset@3", part(3), "reset", exchange.Fault, 3},
		{"truncate@3", part(2) + eventText(3)[:len(eventText(3))/2], "truncated", exchange.Fault, 2},
		{"duplicate@4", part(4) + eventText(4) + eventText(5), "whole", exchange.Whole, 5},
		{"garble@5", part(4) + "id:5\r\ndata: eve\xff\xff\xff\xff\xbc 5\r\n\r\n", "whole", exchange.Whole, 5},
		{"big@3=4", part(2) + "event: big\ndata: xxxx\n\n" + eventText(3) + eventText(4) + eventText(5), "whole", exchange.Whole, 5},
		{"eol=lf", strings.ReplaceAll(part(5), "\r\n", "\n"), "whole", exchange.Whole, 5},
		{"bom", "\ufeff" + part(5), "whole", exchange.Whole, 5},
		{"chunk=1", part(5), "whole", exchange.Whole, 5},
		{"split-utf8", part(5), "whole", exchange.Whole, 5},
		{"buffer=16k", part(5), "whole", exchange.Whole, 5},
		{"gzip", part(5), "whole", exchange.Whole, 5},
		{"type=text/plain", part(5), "whole", exchange.Whole, 5},
		{"stall@2=1ms", part(5), "whole", exchange.Whole, 5},
		{"delay=1ms", part(5), "whole", exchange.Whole, 5},
		{"no-resume", part(5), "whole", exchange.Whole, 5},
		{"drop@3:#2", ": resumed\n\n" + part(5), "whole", exchange.Whole, 5},
		{"drop@3:POST", ": resumed\n\n" + part(5), "whole", exchange.Whole, 5},
		{"drop@9", ": resumed\n\n" + part(5), "whole", exchange.Whole, 5},
	} {
		for _, path := range []string{"/", "/compressed"} {
			texts := []string{test.faults}
			if !strings.HasPrefix(test.body, ": resumed") {
				texts = append(texts, "no-resume")
			}
			watch, all := watchAll()
			s := start(t, &Relay{Watch: watch, Faults: parseAll(t, texts...)}, up.URL)
			s.Start()
			req, _ := http.NewRequest("GET", s.URL+path, nil)
			req.Header.Set("Last-Event-ID", "7")
			req.Header.Set("Accept-Encoding", "gzip")
			response, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if response.Header.Get("Content-Encoding") == "gzip" {
				z, zErr := gzip.NewReader(bytes.NewReader(body))
				if zErr != nil {
					t.Fatalf("%s: %v", test.faults, zErr)
				}
				body, zErr = io.ReadAll(z)
				if zErr != nil {
					t.Errorf("%s: %v", test.faults, zErr)
				}
			}
			if string(body) != test.body || cutOf(err) != test.ends {
				t.Errorf("%s, %s: got %q, %s; want %q, %s", test.faults, path, body, cutOf(err), test.body, test.ends)
			}
			one := (<-all).wait(t)
			if one.end.How != test.how || one.end.Events != test.events || one.end.Unseen != nil {
				t.Errorf("%s, %s: the watcher saw %s, %d events, unseen %v", test.faults, path, one.end, one.end.Events, one.end.Unseen)
			}
			if want := "text/plain"; test.faults == "type="+want && response.Header.Get("Content-Type") != want {
				t.Errorf("type %q", response.Header.Get("Content-Type"))
			}
		}
	}
}

func TestFaultStatusAsksNobody(t *testing.T) {
	asked := 0
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++ }))
	defer up.Close()
	watch, all := watchAll()
	s := start(t, &Relay{Watch: watch, Faults: parseAll(t, "status=503:POST /v1/chat #1-2", "status=404@5")}, up.URL)
	s.Start()
	got := ""
	for _, path := range []string{"/v1/chat", "/other", "/v1/chat", "/v1/chat", "/other", "/other"} {
		response, err := s.Client().Post(s.URL+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		got += fmt.Sprint(response.StatusCode, " ")
	}
	if want := "503 200 503 200 404 200 "; got != want || asked != 3 {
		t.Errorf("got %s, and the upstream was asked %d times; want %s", got, asked, want)
	}
	if end := (<-all).wait(t).end; end.How != exchange.Fault || end.String() != "by a fault: answered with status 503" {
		t.Errorf("the watcher saw %s", end)
	}
}

// TestFaultCutsByAge has an upstream that sends no headers, or no end.
func TestFaultCutsByAge(t *testing.T) {
	for _, headers := range []bool{false, true} {
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if headers {
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, eventText(1))
				http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		}))
		watch, all := watchAll()
		s := start(t, &Relay{Watch: watch, Faults: parseAll(t, "cut=300ms")}, up.URL)
		s.Start()
		response, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
		if ok := headers && response.StatusCode == 200 && cutOf(err) == "truncated" || response.StatusCode == 504; !ok {
			t.Errorf("headers %v: status %d, %v", headers, response.StatusCode, err)
		}
		if end := (<-all).wait(t).end; end.How != exchange.Fault {
			t.Errorf("the watcher saw %s", end)
		}
		up.Close()
	}
}

// TestDelayShiftsAll wants each piece of an answer the same time late, in fake time.
func TestDelayShiftsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Relay{}
		h.init()
		ctx, cancel := context.WithCancelCause(t.Context())
		x := &passing{Relay: h, ctx: ctx, cancel: cancel}
		r, w := io.Pipe()
		late := x.late(r, time.Second)
		go func() {
			for range 5 {
				w.Write([]byte("x"))
				time.Sleep(300 * time.Millisecond)
			}
			w.Close()
		}()
		begin := time.Now()
		got := ""
		for b := make([]byte, 10); ; {
			n, err := late.Read(b)
			if err != nil {
				break
			}
			got += fmt.Sprint(string(b[:n]), time.Since(begin), " ")
		}
		if want := "x1s x1.3s x1.6s x1.9s x2.2s "; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		cancel(nil)
	})
}
