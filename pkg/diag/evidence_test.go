package diag

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// An evidence is an observation and the findings that the checks must have on
// it.
type evidence struct {
	name    string
	observe func(t *testing.T) *seen.Observation
	want    map[string]check.Status
}

// good wants these checks to pass, bad wants them to find a fault.
func good(ids string) map[string]check.Status {
	want := map[string]check.Status{}
	for _, id := range strings.Fields(ids) {
		want[id] = check.Pass
	}
	return want
}

func bad(status check.Status, ids ...string) map[string]check.Status {
	want := map[string]check.Status{}
	for _, id := range ids {
		want[id] = status
	}
	return want
}

func live(f fake, change func(*run)) func(*testing.T) *seen.Observation {
	return func(t *testing.T) *seen.Observation { return observed(t, f.serve(t).URL+"/events", change) }
}

func tape(exchanges ...*seen.Exchange) func(*testing.T) *seen.Observation {
	return func(*testing.T) *seen.Observation { return seentest.Recording(exchanges...) }
}

func options(o seen.Options, exchanges ...*seen.Exchange) func(*testing.T) *seen.Observation {
	return func(*testing.T) *seen.Observation {
		r := seentest.Recording(exchanges...)
		r.Options = o
		return r
	}
}

// TestEveryCheckBothWays holds each check to a server that passes it and one
// that does not, and fails for a check that has neither.
func TestEveryCheckBothWays(t *testing.T) {
	passed, found := map[string]bool{}, map[string]bool{}
	hold := func(t *testing.T, e evidence) {
		o := e.observe(t)
		for id, want := range e.want {
			item := check.Lookup(id)
			if item == nil {
				t.Errorf("%s: no check %q", e.name, id)
				continue
			}
			got := item.Run(o)
			if got.Status != want {
				t.Errorf("%s: %s is %s (%s; %s), want %s", e.name, id, got.Status, got.Title, got.Seen, want)
			}
			if want == check.Pass || want == check.Info {
				passed[id] = true
			}
			if want == check.Fail || want == check.Warn || want == check.Info && item.Worst == check.Info {
				found[id] = true
			}
		}
	}
	for _, e := range serverEvidence() {
		synctest.Test(t, func(t *testing.T) { hold(t, e) })
	}
	for _, e := range slices.Concat(tapes(), finiteTapes(), newerTapes()) {
		hold(t, e)
	}
	for item := range check.All() {
		if !passed[item.ID] {
			t.Errorf("%s has no server that passes it", item.ID)
		}
		if !found[item.ID] {
			t.Errorf("%s has no server that fails it", item.ID)
		}
	}
}

// serverEvidence are servers on loopback.
func serverEvidence() []evidence {
	return []evidence{
		{"healthy", live(fake{first: "retry: 3000\n\n"}, func(c *run) {
			c.Request.Header.Set("Authorization", "Bearer secret")
			c.WebOrigin, c.Injection = "https://app.example.com", true
		}), good(`connect-reach connect-status connect-redirect connect-ttfb connect-head connect-parallel
			content-type content-charset content-encoding content-length cache-control no-transform connection-header etag-live
			headers-early first-byte buffer-proxy buffer-tail buffer-whole terminator-late heartbeat
			frame-field frame-newline-lost frame-terminator frame-eol frame-utf8 frame-bom frame-size frame-nodata frame-html
			id-present id-stable id-syntax id-order resume resume-unknown-id retry-value reconnect-now
			shared-cache cors-reflect sec-url-token sec-plain sec-private-cache sec-echo`)},
		{"inclusive", live(fake{resume: "inclusive"}, nil), bad(check.Warn, "resume")},
		{"overlap", live(fake{resume: "overlap"}, nil), bad(check.Warn, "resume")},
		{"gap", live(fake{resume: "gap"}, nil), bad(check.Fail, "resume")},
		{"live only", live(fake{resume: "live"}, nil), bad(check.Fail, "resume")},
		{"restart", live(fake{resume: "restart"}, nil), bad(check.Fail, "resume")},
		{"backlog", live(fake{resume: "backlog"}, nil), bad(check.Warn, "resume")},
		{"finite", live(fake{end: 8}, nil), bad(check.Warn, "resume-end")},
		{"redirects to itself", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		}}, nil), bad(check.Fail, "connect-status", "connect-redirect")},
		{"page", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprint(w, "<!doctype html><title>Log in</title>")
			return true
		}}, nil), bad(check.Fail, "content-type", "frame-html")},
		{"stale IDs crash it", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.Header.Get("Last-Event-ID"), "ssectl-") {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			return false
		}}, nil), bad(check.Fail, "resume-unknown-id")},
		{"turns away who comes back", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Last-Event-ID") != "" {
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			return false
		}}, nil), map[string]check.Status{"reconnect-now": check.Warn, "resume": check.Fail}},
		{"HEAD hangs", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				<-r.Context().Done()
			}
			return r.Method == http.MethodHead
		}}, func(c *run) { c.Quick = true }), bad(check.Warn, "connect-head")},
		{"compressor that does not flush", live(fake{instead: unflushed}, nil), bad(check.Fail, "buffer-compression")},
		{"query starts a line", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "id: %s\ndata: x\n\n", r.URL.Query().Get("id"))
			http.NewResponseController(w).Flush()
			if r.Method == http.MethodGet {
				<-r.Context().Done()
			}
			return true
		}}, func(c *run) { c.Injection = true }), bad(check.Fail, "sec-echo")},
		{"no TLS that can be trusted", func(t *testing.T) *seen.Observation {
			server := serveInMemory(t, &fake{every: time.Hour}, (*httptest.Server).StartTLS)
			return observed(t, server.URL, nil)
		}, bad(check.Fail, "connect-tls", "connect-reach")},
		{"TLS", func(t *testing.T) *seen.Observation {
			f := &fake{every: 25 * time.Millisecond, start: time.Now()}
			server := serveInMemory(t, f, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
			return observed(t, server.URL, func(c *run) {
				c.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
			})
		}, map[string]check.Status{"connect-tls": check.Info, "protocol-parity": check.Pass, "h1-limit": check.Pass, "h2-offered": check.Pass, "connection-header": check.Pass}},
		{"cut young, though it flows", live(fake{instead: shortLived}, func(c *run) { c.Soak = 4 * time.Second }),
			map[string]check.Status{"lifetime-cut": check.Fail, "end-clean": check.Warn, "idle-cut": check.Pass}},
		{"MCP", live(fake{instead: mcpServer(http.StatusMethodNotAllowed)}, func(c *run) { c.Profile = ProfileMCP }), good("mcp-get mcp-post")},
		{"MCP with sessions", live(fake{instead: mcpSessions}, func(c *run) { c.Profile = ProfileMCP }), good("mcp-get mcp-post connect-status")},
		{"MCP without a handshake", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.Method != http.MethodPost:
				w.WriteHeader(http.StatusMethodNotAllowed)
			case r.Header.Get("Mcp-Protocol-Version") != "2026-07-28":
				w.WriteHeader(http.StatusBadRequest)
			default:
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"]}}`)
			}
			return true
		}}, func(c *run) { c.Profile = ProfileMCP }), good("mcp-get mcp-post connect-status")},
		{"MCP that gives GET a page", live(fake{instead: mcpServer(http.StatusOK)}, func(c *run) { c.Profile = ProfileMCP }), bad(check.Fail, "mcp-get", "mcp-post")},
	}
}

// mcpSessions is a server of MCP that keeps sessions, as the specification has
// it: 400 without one, and one stream for each.
func mcpSessions(w http.ResponseWriter, r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == http.MethodPost && strings.Contains(string(body), `"initialize"`):
		w.Header().Set("Mcp-Session-Id", "s1")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`)
	case r.Header.Get("Mcp-Session-Id") != "s1":
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	return true
}

// shortLived sends all the time, and breaks off when a stream is 2.2 s old.
func shortLived(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Content-Type", "text/event-stream")
	end := time.NewTimer(2200 * time.Millisecond)
	defer end.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for r.Method == http.MethodGet {
		select {
		case <-tick.C:
			fmt.Fprint(w, "data: x\n\n")
			http.NewResponseController(w).Flush()
		case <-end.C:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return true
		}
	}
	return true
}

// mcpServer answers GET with a status; with 200, POST gets nonsense too.
func mcpServer(status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(status)
		case status == http.StatusOK:
			fmt.Fprint(w, `{"hello":1}`)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "id: 1\ndata:\n\n", `data: {"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`, "\n\n")
		}
		return true
	}
}

// tapes are recordings of streams that stay open.
func tapes() []evidence {
	answer := func(role seen.Role, change func(*seen.Exchange)) *seen.Exchange {
		return seentest.With(seentest.Recorded(role, 0, seen.EndEOF, 5), change)
	}
	silentFor := func(seconds int) *seen.Exchange {
		return seentest.Recorded(seen.RoleMain, 0, seen.EndClient, seconds*1000, seentest.Arrive(10, seentest.Ev(1, 60)))
	}
	return []evidence{
		{"pieces of 4096", tape(seentest.Pieces(seen.RoleMain, 800, 4096, 8)), bad(check.Fail, "buffer-proxy")},
		{"the end of large events", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000,
			seentest.Arrive(500, seentest.Ev(1, 60)), seentest.Arrive(1000, seentest.Ev(2, 20000)[:16384]), seentest.Arrive(2000, seentest.Ev(2, 20000)[16384:]+seentest.Ev(3, 60)),
			seentest.Arrive(2500, seentest.Ev(4, 60)), seentest.Arrive(3000, seentest.Ev(5, 20000)[:16384]), seentest.Arrive(4000, seentest.Ev(5, 20000)[16384:]+seentest.Ev(6, 60)),
			seentest.Arrive(4500, seentest.Ev(7, 60)), seentest.Arrive(5000, seentest.Ev(8, 20000)[:16384]), seentest.Arrive(6000, seentest.Ev(8, 20000)[16384:]+seentest.Ev(9, 60)),
		)), bad(check.Fail, "buffer-tail")},
		{"blank line late", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 4000,
			seentest.Arrive(500, "data: 1\n"), seentest.Arrive(1000, "\ndata: 2\n"), seentest.Arrive(1500, "\ndata: 3\n"), seentest.Arrive(2000, "\ndata: 4\n"))), bad(check.Fail, "terminator-late")},
		{"a clock of one second", tape(batches(seen.RoleMain, 0, 0), batches(seen.RoleSecond, 1400, 500)), bad(check.Fail, "buffer-timer")},
		{"two alike", tape(seentest.Steady(seen.RoleMain, 0, 100, 80, 1), seentest.Steady(seen.RoleSecond, 1400, 100, 60, 15)), good("buffer-timer buffer-proxy")},
		{"plain and compressed alike", func(*testing.T) *seen.Observation {
			a := seentest.Steady(seen.RoleMain, 0, 100, 60, 1)
			zip(a)
			return seentest.Recording(a, seentest.Steady(seen.RoleIdentity, 500, 100, 50, 6))
		}, good("buffer-compression")},
		{"headers with the first event", tape(seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000, seentest.Arrive(4000, seentest.Ev(1, 60))), func(x *seen.Exchange) { x.Answered = seentest.MS(3999) }),
			answer(seen.RoleHead, func(*seen.Exchange) {})), bad(check.Fail, "headers-early")},
		{"headers late, and alone", tape(seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000, seentest.Arrive(4000, seentest.Ev(1, 60))), func(x *seen.Exchange) { x.Answered = seentest.MS(3000) })), map[string]check.Status{"headers-early": check.Pass, "connect-ttfb": check.Warn}},
		{"silent for a minute", tape(silentFor(60)), bad(check.Fail, "heartbeat")},
		{"first byte late", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 5000, seentest.Arrive(3000, seentest.Ev(1, 60)))), bad(check.Info, "first-byte")},
		{"cut after a minute of silence", options(seen.Options{Soak: time.Minute}, seentest.With(silentFor(61), func(x *seen.Exchange) { x.End = seen.EndReset })),
			map[string]check.Status{"idle-cut": check.Warn, "end-clean": check.Warn, "lifetime-cut": check.Pass}},
		{"broken off within an event", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndReset, 3000, seentest.Arrive(500, seentest.Ev(1, 60)), seentest.Arrive(900, "data: 2"))), bad(check.Fail, "end-clean")},
		{"cut after 30 s, though it flowed", options(seen.Options{Soak: time.Minute}, seentest.With(seentest.Steady(seen.RoleMain, 0, 1000, 29, 1), func(x *seen.Exchange) { x.End = seen.EndReset })),
			map[string]check.Status{"idle-cut": check.Pass, "lifetime-cut": check.Fail}},
		{"HTTP/2 hangs", tape(seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), func(x *seen.Exchange) { x.Proto, x.TLS = "HTTP/1.1", &seen.TLS{Version: 0x0304} }),
			seentest.With(seentest.Recorded(seen.RoleProtocol, 0, seen.EndTimeout, 3000), func(x *seen.Exchange) { x.Answered, x.Status, x.Header = 0, 0, nil })), map[string]check.Status{"protocol-parity": check.Warn, "h1-limit": check.Info}},
		{"HTTP/2 hangs, which the client chose", tape(seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 9000, seentest.Arrive(4000, seentest.Ev(1, 60))), func(x *seen.Exchange) { x.Proto, x.Answered = "HTTP/2.0", seentest.MS(3999) }),
			seentest.Recorded(seen.RoleProtocol, 6000, seen.EndClient, 6100)), bad(check.Fail, "protocol-parity")},
		{"old headers in HTTP/2", tape(seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), func(x *seen.Exchange) {
			x.Proto, x.TLS = "HTTP/2.0", &seen.TLS{Version: 0x0304, NotAfter: seentest.RecordedAt.Add(24 * time.Hour)}
			x.Header.Set("Connection", "keep-alive")
		})), map[string]check.Status{"connection-header": check.Fail, "connect-tls": check.Warn}},
		{"only HTTP/1.1", func(*testing.T) *seen.Observation {
			o := seentest.Recording(seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), func(x *seen.Exchange) { x.TLS = &seen.TLS{Version: 0x0304} }))
			o.URL = "https://app.example.com/events?access_token=abc"
			return o
		}, map[string]check.Status{"h1-limit": check.Warn, "sec-url-token": check.Warn, "h2-offered": check.Info}},
		{"no TLS", func(*testing.T) *seen.Observation {
			o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1))
			o.URL = "http://app.example.com/events"
			return o
		}, bad(check.Warn, "sec-plain")},
		{"wrong headers", tape(seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), func(x *seen.Exchange) {
			x.Header = http.Header{"Content-Type": {"text/event-stream; charset=latin1"}, "Content-Encoding": {"none"}, "Content-Length": {"0"},
				"Cache-Control": {"public, max-age=60"}, "Etag": {`"x"`}, "X-Accel-Buffering": {"no"}, "Alt-Svc": {`h3=":443"`}, "Server": {"nginx"}}
			x.RequestHeader = http.Header{"Cookie": {"a=1"}}
		})), map[string]check.Status{"content-charset": check.Fail, "content-encoding": check.Warn, "content-length": check.Fail, "cache-control": check.Warn,
			"accel-buffering": check.Info, "h3-advertised": check.Info, "path": check.Info, "sec-private-cache": check.Fail}},
		{"OPTIONS hangs", tape(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), answer(seen.RoleHead, func(*seen.Exchange) {}), seentest.With(seentest.Recorded(seen.RolePreflight, 0, seen.EndTimeout, 2000), func(x *seen.Exchange) { x.Answered, x.Status = 0, 0 })),
			map[string]check.Status{"cors-preflight": check.Warn, "connect-head": check.Pass}},
		{"compressed for all", func(*testing.T) *seen.Observation {
			a, plain := seentest.Steady(seen.RoleMain, 0, 100, 60, 1), seentest.Steady(seen.RoleIdentity, 500, 100, 50, 6)
			zip(a)
			zip(plain)
			return seentest.Recording(a, plain)
		}, bad(check.Warn, "content-encoding")},
		{"ETag alone", tape(seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), seentest.Head("Etag", `"x"`))), bad(check.Info, "etag-live")},
		{"another gets no headers", tape(seentest.Steady(seen.RoleMain, 0, 100, 60, 1), seentest.With(seentest.Recorded(seen.RoleSecond, 1400, seen.EndTimeout, 6000), func(x *seen.Exchange) { x.Answered, x.Status = 0, 0 })), bad(check.Fail, "connect-parallel")},
		{"a recording from a cache", tape(seentest.Steady(seen.RoleMain, 0, 100, 60, 1), seentest.Recorded(seen.RoleSecond, 1500, seen.EndClient, 6000, seentest.Arrive(1510, seentest.Ev(1, 60)+seentest.Ev(2, 60)+seentest.Ev(3, 60)+seentest.Ev(4, 60))),
			seentest.Recorded(seen.RoleCacheBust, 6000, seen.EndClient, 7000, seentest.Arrive(6100, seentest.Ev(58, 60)))), bad(check.Fail, "shared-cache")},
		{"a backlog for everybody", tape(seentest.Steady(seen.RoleMain, 0, 500, 20, 1), seentest.Recorded(seen.RoleSecond, 1600, seen.EndClient, 6000, seentest.Arrive(1610, seentest.Ev(1, 60)+seentest.Ev(2, 60)+seentest.Ev(3, 60))),
			seentest.Recorded(seen.RoleCacheBust, 9000, seen.EndClient, 9900, seentest.Arrive(9010, seentest.Ev(14, 60)+seentest.Ev(15, 60)+seentest.Ev(16, 60)+seentest.Ev(17, 60)+seentest.Ev(18, 60))),
			seentest.Recorded(seen.RoleJoin, 9000, seen.EndClient, 9900, seentest.Arrive(9010, seentest.Ev(14, 60)+seentest.Ev(15, 60)+seentest.Ev(16, 60)+seentest.Ev(17, 60)+seentest.Ev(18, 60)))), good("shared-cache")},
		{"all again, of few", tape(seentest.Steady(seen.RoleMain, 0, 1000, 7, 1), seentest.With(seentest.Recorded(seen.RoleResume1, 7500, seen.EndClient, 8000, seentest.Arrive(7510, seentest.Ev(1, 60)+seentest.Ev(2, 60)+seentest.Ev(3, 60))), seentest.Asked("5")),
			seentest.With(seentest.Recorded(seen.RoleResume2, 8000, seen.EndClient, 8500, seentest.Arrive(8010, seentest.Ev(1, 60)+seentest.Ev(2, 60)+seentest.Ev(3, 60))), seentest.Asked("3")), seentest.Recorded(seen.RoleNoID, 8500, seen.EndClient, 9500)), bad(check.Inconclusive, "resume")},
		{"IDs of each connection", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, "id: 1\ndata: a\n\n"), seentest.Arrive(200, "id: 2\ndata: b\n\n")),
			seentest.Recorded(seen.RoleSecond, 400, seen.EndClient, 900, seentest.Arrive(500, "id: 1\ndata: c\n\n"), seentest.Arrive(600, "id: 2\ndata: d\n\n"))), bad(check.Fail, "id-stable")},
		{"no IDs", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, "data: a\n\n"))), bad(check.Warn, "id-present")},
		{"IDs that fall", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, seentest.Ev(2, 60)+seentest.Ev(1, 60)))), bad(check.Info, "id-order")},
		{"ID with NUL", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, "id: a\x00\ndata: x\n\n"))), bad(check.Fail, "id-syntax")},
		{"heartbeats", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, ": hb\n\n"))), bad(check.Info, "heartbeat-kind")},
		{"framing", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, "\ufeffretry: 10\ndata: {\"a\":\n\"b\"}\n\nevent: x\n\ndata: \xff\r\n\r\n"+"data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\ndata: "+strings.Repeat("x", 70<<10)+"\n\n\ufeffdata: y\n\n"))),
			map[string]check.Status{"frame-field": check.Fail, "frame-eol": check.Warn, "frame-utf8": check.Warn, "frame-bom": check.Fail, "frame-size": check.Warn, "frame-nodata": check.Warn, "retry-value": check.Fail}},
		{"payload in two", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(100, strings.Repeat("data: {\"a\":1}\n\n", 8)+"data: {\"a\"\n\n"))), bad(check.Fail, "frame-newline-lost")},
		{"CORS for one page", options(seen.Options{WebOrigin: "https://app.example.com", Credentials: true}, seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), func(x *seen.Exchange) {
			x.Header.Set("Access-Control-Allow-Origin", "https://app.example.com")
			x.Header.Set("Access-Control-Allow-Credentials", "true")
			x.Header.Set("Vary", "Origin")
		}), answer(seen.RolePreflight, func(x *seen.Exchange) {
			x.Header.Set("Access-Control-Allow-Origin", "https://app.example.com")
			x.Header.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
		})), good("cors-origin cors-credentials cors-preflight")},
		{"CORS for every page", options(seen.Options{WebOrigin: "https://app.example.com", Credentials: true}, seentest.With(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), seentest.Head("Access-Control-Allow-Origin", "https://other.example.com")),
			answer(seen.RolePreflight, seentest.Head("Access-Control-Allow-Origin", "*")),
			answer(seen.RoleCORS, func(x *seen.Exchange) {
				x.Header.Set("Access-Control-Allow-Origin", seen.StrangeOrigin)
				x.Header.Set("Access-Control-Allow-Credentials", "true")
			})), map[string]check.Status{"cors-origin": check.Fail, "cors-credentials": check.Fail, "cors-preflight": check.Warn, "cors-reflect": check.Warn}},
		{"a hop between", options(seen.Options{OriginURL: "http://origin/"}, append(resumed(seen.RoleMain, seen.RoleResume1, seen.RoleResume2, seen.RoleNoID, false),
			append(resumed(seen.RoleOrigin, seen.RoleOriginResume1, seen.RoleOriginResume2, seen.RoleOriginNoID, true), seentest.Recorded(seen.RoleOrigin, 0, seen.EndClient, 1))...)...),
			bad(check.Fail, "resume-hop")},
		{"no hop between", options(seen.Options{OriginURL: "http://origin/"}, append(resumed(seen.RoleMain, seen.RoleResume1, seen.RoleResume2, seen.RoleNoID, true), resumed(seen.RoleOrigin, seen.RoleOriginResume1, seen.RoleOriginResume2, seen.RoleOriginNoID, true)...)...),
			good("resume-hop")},
		{"comments taken away", options(seen.Options{OriginURL: "http://origin/"}, seentest.Steady(seen.RoleMain, 0, 100, 9, 1), seentest.Recorded(seen.RoleOrigin, 0, seen.EndClient, 900, seentest.Arrive(100, ": hb\n\n: hb\n\n"))), bad(check.Info, "comments-pass")},
		{"compressed by a hop", options(seen.Options{OriginURL: "http://origin/"}, seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900), seentest.Head("Content-Encoding", "gzip")), seentest.Steady(seen.RoleOrigin, 0, 100, 9, 1)), bad(check.Warn, "no-transform")},
		{"left and noticed", func(*testing.T) *seen.Observation {
			o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1))
			o.Orphans = []int{3, 0}
			return o
		}, good("disconnect-seen")},
		{"left and not noticed", func(*testing.T) *seen.Observation {
			o := seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1))
			o.Orphans = []int{3, 3}
			return o
		}, bad(check.Warn, "disconnect-seen")},
		{"the hub tells of a loss", tape(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), seentest.With(seentest.Recorded(seen.RoleResume1, 900, seen.EndClient, 1000), func(x *seen.Exchange) {
			x.RequestHeader = http.Header{"Last-Event-ID": {"3"}}
			x.Header.Set("Mercure-Last-Event-ID", "earliest")
		})), bad(check.Warn, "resume-header")},
		{"the hub tells that all is there", tape(seentest.Steady(seen.RoleMain, 0, 100, 9, 1), seentest.With(seentest.Recorded(seen.RoleResume1, 900, seen.EndClient, 1000), func(x *seen.Exchange) {
			x.RequestHeader = http.Header{"Last-Event-ID": {"3"}}
			x.Header.Set("Last-Event-ID", "3")
		})), bad(check.Info, "resume-header")},
	}
}

// batches is a stream that is let go once a second, at a phase of its own.
func batches(role seen.Role, startMS, phaseMS int) *seen.Exchange {
	x := seentest.Recorded(role, startMS, seen.EndClient, 9900)
	next := startMS/100 + 1
	for at := startMS/1000*1000 + 1000 + phaseMS; at < 9900; at += 1000 {
		for ; next*100 <= at; next++ {
			text := seentest.Ev(next, 60)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(at), N: len(text)})
		}
	}
	return x
}

// resumed are a reference stream and those that asked for its past.
func resumed(a, first, second, control seen.Role, exact bool) []*seen.Exchange {
	ask := func(role seen.Role, startMS, id int) *seen.Exchange {
		from := startMS/100 + 1
		if exact && id > 0 {
			from = id + 1
		}
		x := seentest.Recorded(role, startMS, seen.EndClient, startMS+400)
		for n := from; n <= startMS/100+3; n++ {
			x.Body = append(x.Body, seentest.Ev(n, 60)...)
			x.Reads = append(x.Reads, seen.Read{At: seentest.MS(max(startMS+2, n*100)), N: 60})
		}
		if id > 0 {
			x.RequestHeader = http.Header{"Last-Event-ID": {fmt.Sprint(id)}}
		}
		return x
	}
	return []*seen.Exchange{seentest.Steady(a, 0, 100, 40, 1), ask(first, 2000, 19), ask(second, 2500, 15), ask(control, 3000, 0)}
}

// TestGoodbyeIsNoBrokenPayload has a stream of JSON end with a word of its own,
// which is no sign of a lost line break.
func TestGoodbyeIsNoBrokenPayload(t *testing.T) {
	body := strings.Repeat("data: {\"a\":1}\n\n", 8) + "event: done\ndata: bye\n\ndata: [DONE]\n\n"
	o := tape(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 900, seentest.Arrive(100, body)))
	if f := check.Lookup("frame-newline-lost").Run(o(t)); f.Status != check.Pass {
		t.Errorf("got %s: %s", f.Status, f.Title)
	}
}

// TestQuickBrokenBody has answers that break off within the body, each in its
// way: the quickest run must not pass them.
func TestQuickBrokenBody(t *testing.T) {
	for name, body := range map[string]string{
		"no chunk":             "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\nzz\r\n",
		"a chunk cut short":    "Transfer-Encoding: chunked\r\n\r\n20\r\ndata: 1\n\n",
		"less than its length": "Content-Length: 100\r\n\r\ndata: 1\n\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+body)
					conn.Close()
				}
				return true
			}}
			o := observed(t, f.serve(t).URL, func(c *run) { c.Quick = true })
			report := weigh(o, Options{Quick: true})
			if got := check.Lookup("end-clean").Run(o); got.Status != check.Fail || report.Outcome != Fail {
				t.Errorf("%s: end-clean %s (%s), outcome %s", name, got.Status, got.Title, report.Outcome)
			}
		})
	}
}

// TestQuickWithoutAnswer has a server that answers other requests, but never the
// one for the stream: a quick run must not pass it.
func TestQuickWithoutAnswer(t *testing.T) {
	unanswered := seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndTimeout, 10_000), func(x *seen.Exchange) { x.Answered, x.Status, x.Header = 0, 0, nil })
	o := tape(unanswered, seentest.Recorded(seen.RoleHead, 0, seen.EndEOF, 5))(t)
	report := weigh(o, Options{Quick: true})
	if report.Outcome != Fail {
		t.Errorf("outcome %s: %+v", report.Outcome, report.Checks)
	}
}

// TestNoSuchCompression has a body without the compression of its header.
func TestNoSuchCompression(t *testing.T) {
	for _, coding := range []string{"gzip", "br", "zstd", "deflate"} {
		o := tape(seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 900, seentest.Arrive(100, "data: plain\n\n")), seentest.Head("Content-Encoding", coding)))
		if f := check.Lookup("content-encoding").Run(o(t)); f.Status != check.Fail {
			t.Errorf("%s: %s %s", coding, f.Status, f.Title)
		}
	}
}
