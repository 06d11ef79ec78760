package diag

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A witness for checks: where an observation comes from, and what the checks
// have to say of it.
type evidence struct {
	name    string
	observe func(t *testing.T) *Observation
	want    map[string]Status
}

// good says that these checks pass, bad what they find.
func good(ids string) map[string]Status {
	want := map[string]Status{}
	for _, id := range strings.Fields(ids) {
		want[id] = Pass
	}
	return want
}

func bad(status Status, ids ...string) map[string]Status {
	want := map[string]Status{}
	for _, id := range ids {
		want[id] = status
	}
	return want
}

func live(f fake, change func(*Config)) func(*testing.T) *Observation {
	return func(t *testing.T) *Observation { return observed(t, f.serve(t).URL+"/events", change) }
}

func tape(exchanges ...*Exchange) func(*testing.T) *Observation {
	return func(*testing.T) *Observation { return recording(exchanges...) }
}

func options(o Options, exchanges ...*Exchange) func(*testing.T) *Observation {
	return func(*testing.T) *Observation {
		r := recording(exchanges...)
		r.Options = o
		return r
	}
}

// with changes an exchange of a recording.
func with(x *Exchange, change func(*Exchange)) *Exchange {
	change(x)
	return x
}

func head(name, value string) func(*Exchange) {
	return func(x *Exchange) { x.Header.Set(name, value) }
}

func asked(id string) func(*Exchange) {
	return func(x *Exchange) { x.RequestHeader = http.Header{"Last-Event-ID": {id}} }
}

// TestEveryCheckBothWays holds each check to a server that passes it and one
// that does not, and fails for a check that has neither.
func TestEveryCheckBothWays(t *testing.T) {
	passed, found := map[string]bool{}, map[string]bool{}
	hold := func(t *testing.T, e evidence) {
		o := e.observe(t)
		for id, want := range e.want {
			check := Lookup(id)
			if check == nil {
				t.Errorf("%s: no check %q", e.name, id)
				continue
			}
			got := check.Run(o)
			if got.Status != want {
				t.Errorf("%s: %s is %s (%s; %s), want %s", e.name, id, got.Status, got.Title, got.Seen, want)
			}
			if want == Pass || want == Info {
				passed[id] = true
			}
			if want == Fail || want == Warn || want == Info && check.Worst == Info {
				found[id] = true
			}
		}
	}
	for _, e := range liveEvidence() {
		synctest.Test(t, func(t *testing.T) { hold(t, e) })
	}
	for _, e := range append(tapes(), finiteTapes()...) {
		hold(t, e)
	}
	for _, check := range catalog {
		if !passed[check.ID] {
			t.Errorf("%s has no server that passes it", check.ID)
		}
		if !found[check.ID] {
			t.Errorf("%s has no server that fails it", check.ID)
		}
	}
}

// liveEvidence are servers on loopback.
func liveEvidence() []evidence {
	return []evidence{
		{"healthy", live(fake{first: "retry: 3000\n\n"}, func(c *Config) {
			c.Request.Header.Set("Authorization", "Bearer secret")
			c.WebOrigin, c.Injection = "https://app.example.com", true
		}), good(`connect-reach connect-status connect-redirect connect-ttfb connect-head connect-parallel
			content-type content-charset content-encoding content-length cache-control no-transform connection-header etag-live
			headers-early first-byte buffer-proxy buffer-tail buffer-whole terminator-late heartbeat
			frame-field frame-newline-lost frame-terminator frame-eol frame-utf8 frame-bom frame-size frame-nodata frame-html
			id-present id-stable id-syntax id-order resume resume-unknown-id retry-value reconnect-now
			shared-cache cors-reflect sec-url-token sec-plain sec-private-cache sec-echo`)},
		{"inclusive", live(fake{resume: "inclusive"}, nil), bad(Warn, "resume")},
		{"overlap", live(fake{resume: "overlap"}, nil), bad(Warn, "resume")},
		{"gap", live(fake{resume: "gap"}, nil), bad(Fail, "resume")},
		{"live only", live(fake{resume: "live"}, nil), bad(Fail, "resume")},
		{"restart", live(fake{resume: "restart"}, nil), bad(Fail, "resume")},
		{"backlog", live(fake{resume: "backlog"}, nil), bad(Warn, "resume")},
		{"finite", live(fake{end: 8}, nil), bad(Warn, "resume-end")},
		{"redirects to itself", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		}}, nil), bad(Fail, "connect-status", "connect-redirect")},
		{"page", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprint(w, "<!doctype html><title>Log in</title>")
			return true
		}}, nil), bad(Fail, "content-type", "frame-html")},
		{"stale IDs crash it", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.Header.Get("Last-Event-ID"), "ssectl-") {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			return false
		}}, nil), bad(Fail, "resume-unknown-id")},
		{"turns away who comes back", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Last-Event-ID") != "" {
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			return false
		}}, nil), map[string]Status{"reconnect-now": Warn, "resume": Fail}},
		{"HEAD hangs", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				<-r.Context().Done()
			}
			return r.Method == http.MethodHead
		}}, func(c *Config) { c.Quick = true }), bad(Warn, "connect-head")},
		{"compressor that does not flush", live(fake{instead: unflushed}, nil), bad(Fail, "buffer-compression")},
		{"query starts a line", live(fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "id: %s\ndata: x\n\n", r.URL.Query().Get("id"))
			http.NewResponseController(w).Flush()
			if r.Method == http.MethodGet {
				<-r.Context().Done()
			}
			return true
		}}, func(c *Config) { c.Injection = true }), bad(Fail, "sec-echo")},
		{"no TLS that can be trusted", func(t *testing.T) *Observation {
			server := serveInMemory(t, &fake{every: time.Hour}, (*httptest.Server).StartTLS)
			return observed(t, server.URL, nil)
		}, bad(Fail, "connect-tls", "connect-reach")},
		{"TLS", func(t *testing.T) *Observation {
			f := &fake{every: 25 * time.Millisecond, start: time.Now()}
			server := serveInMemory(t, f, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
			return observed(t, server.URL, func(c *Config) {
				c.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
			})
		}, map[string]Status{"connect-tls": Info, "protocol-parity": Pass, "h1-limit": Pass, "h2-offered": Pass, "connection-header": Pass}},
		{"cut young, though it flows", live(fake{instead: shortLived}, func(c *Config) { c.Soak = 4 * time.Second }),
			map[string]Status{"lifetime-cut": Fail, "end-clean": Warn, "idle-cut": Pass}},
		{"MCP", live(fake{instead: mcpServer(http.StatusMethodNotAllowed)}, func(c *Config) { c.Profile = ProfileMCP }), good("mcp-get mcp-post")},
		{"MCP with sessions", live(fake{instead: mcpSessions}, func(c *Config) { c.Profile = ProfileMCP }), good("mcp-get mcp-post connect-status")},
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
		}}, func(c *Config) { c.Profile = ProfileMCP }), good("mcp-get mcp-post connect-status")},
		{"MCP that gives GET a page", live(fake{instead: mcpServer(http.StatusOK)}, func(c *Config) { c.Profile = ProfileMCP }), bad(Fail, "mcp-get", "mcp-post")},
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

// steady is a stream of small events, one every so many ms.
func steady(role Role, startMS, everyMS, n, first int) *Exchange {
	x := recorded(role, startMS, EndClient, startMS+everyMS*(n+1))
	for i := range n {
		text := ev(first+i, 60)
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, Read{At: ms(startMS + everyMS*(i+1)), N: len(text)})
	}
	return x
}

// pieces is a stream of events, held and let go in pieces of a size.
func pieces(role Role, everyMS, size, n int) *Exchange {
	x := recorded(role, 0, EndClient, everyMS*(n+1))
	var all string
	for i := 0; len(all) < size*n; i++ {
		all += ev(i+1, 180+37*(i%5))
	}
	for i := range n {
		x.Body = append(x.Body, all[i*size:(i+1)*size]...)
		x.Reads = append(x.Reads, Read{At: ms(everyMS * (i + 1)), N: size})
	}
	return x
}

// tapes are recordings of streams that stay open.
func tapes() []evidence {
	answer := func(role Role, change func(*Exchange)) *Exchange { return with(recorded(role, 0, EndEOF, 5), change) }
	silentFor := func(seconds int) *Exchange {
		return recorded(RoleA, 0, EndClient, seconds*1000, step{10, ev(1, 60)})
	}
	return []evidence{
		{"pieces of 4096", tape(pieces(RoleA, 800, 4096, 8)), bad(Fail, "buffer-proxy")},
		{"the end of large events", tape(recorded(RoleA, 0, EndClient, 9000,
			step{500, ev(1, 60)}, step{1000, ev(2, 20000)[:16384]}, step{2000, ev(2, 20000)[16384:] + ev(3, 60)},
			step{2500, ev(4, 60)}, step{3000, ev(5, 20000)[:16384]}, step{4000, ev(5, 20000)[16384:] + ev(6, 60)},
			step{4500, ev(7, 60)}, step{5000, ev(8, 20000)[:16384]}, step{6000, ev(8, 20000)[16384:] + ev(9, 60)},
		)), bad(Fail, "buffer-tail")},
		{"blank line late", tape(recorded(RoleA, 0, EndClient, 4000,
			step{500, "data: 1\n"}, step{1000, "\ndata: 2\n"}, step{1500, "\ndata: 3\n"}, step{2000, "\ndata: 4\n"})), bad(Fail, "terminator-late")},
		{"a clock of one second", tape(batches(RoleA, 0, 0), batches(RoleTwin, 1400, 500)), bad(Fail, "buffer-timer")},
		{"two alike", tape(steady(RoleA, 0, 100, 80, 1), steady(RoleTwin, 1400, 100, 60, 15)), good("buffer-timer buffer-proxy")},
		{"plain and compressed alike", func(*testing.T) *Observation {
			a := steady(RoleA, 0, 100, 60, 1)
			zip(a)
			return recording(a, steady(RoleIdentity, 500, 100, 50, 6))
		}, good("buffer-compression")},
		{"headers with the first event", tape(with(recorded(RoleA, 0, EndClient, 9000, step{4000, ev(1, 60)}), func(x *Exchange) { x.Answered = ms(3999) }),
			answer(RoleHead, func(*Exchange) {})), bad(Fail, "headers-early")},
		{"headers late, and alone", tape(with(recorded(RoleA, 0, EndClient, 9000, step{4000, ev(1, 60)}), func(x *Exchange) { x.Answered = ms(3000) })), map[string]Status{"headers-early": Pass, "connect-ttfb": Warn}},
		{"silent for a minute", tape(silentFor(60)), bad(Fail, "heartbeat")},
		{"first byte late", tape(recorded(RoleA, 0, EndClient, 5000, step{3000, ev(1, 60)})), bad(Info, "first-byte")},
		{"cut after a minute of silence", options(Options{Soak: time.Minute}, with(silentFor(61), func(x *Exchange) { x.End = EndReset })),
			map[string]Status{"idle-cut": Warn, "end-clean": Warn, "lifetime-cut": Pass}},
		{"broken off within an event", tape(recorded(RoleA, 0, EndReset, 3000, step{500, ev(1, 60)}, step{900, "data: 2"})), bad(Fail, "end-clean")},
		{"cut after 30 s, though it flowed", options(Options{Soak: time.Minute}, with(steady(RoleA, 0, 1000, 29, 1), func(x *Exchange) { x.End = EndReset })),
			map[string]Status{"idle-cut": Pass, "lifetime-cut": Fail}},
		{"HTTP/2 hangs", tape(with(steady(RoleA, 0, 100, 9, 1), func(x *Exchange) { x.Proto, x.TLS = "HTTP/1.1", &TLS{Version: 0x0304} }),
			with(recorded(RoleProtocol, 0, EndTimeout, 3000), func(x *Exchange) { x.Answered, x.Status, x.Header = 0, 0, nil })), map[string]Status{"protocol-parity": Warn, "h1-limit": Info}},
		{"HTTP/2 hangs, which the client chose", tape(with(recorded(RoleA, 0, EndClient, 9000, step{4000, ev(1, 60)}), func(x *Exchange) { x.Proto, x.Answered = "HTTP/2.0", ms(3999) }),
			recorded(RoleProtocol, 6000, EndClient, 6100)), bad(Fail, "protocol-parity")},
		{"old headers in HTTP/2", tape(with(steady(RoleA, 0, 100, 9, 1), func(x *Exchange) {
			x.Proto, x.TLS = "HTTP/2.0", &TLS{Version: 0x0304, NotAfter: recordedAt.Add(24 * time.Hour)}
			x.Header.Set("Connection", "keep-alive")
		})), map[string]Status{"connection-header": Fail, "connect-tls": Warn}},
		{"only HTTP/1.1", func(*testing.T) *Observation {
			o := recording(with(steady(RoleA, 0, 100, 9, 1), func(x *Exchange) { x.TLS = &TLS{Version: 0x0304} }))
			o.URL = "https://app.example.com/events?access_token=abc"
			return o
		}, map[string]Status{"h1-limit": Warn, "sec-url-token": Warn, "h2-offered": Info}},
		{"no TLS", func(*testing.T) *Observation {
			o := recording(steady(RoleA, 0, 100, 9, 1))
			o.URL = "http://app.example.com/events"
			return o
		}, bad(Warn, "sec-plain")},
		{"wrong headers", tape(with(steady(RoleA, 0, 100, 9, 1), func(x *Exchange) {
			x.Header = http.Header{"Content-Type": {"text/event-stream; charset=latin1"}, "Content-Encoding": {"none"}, "Content-Length": {"0"},
				"Cache-Control": {"public, max-age=60"}, "Etag": {`"x"`}, "X-Accel-Buffering": {"no"}, "Alt-Svc": {`h3=":443"`}, "Server": {"nginx"}}
			x.RequestHeader = http.Header{"Cookie": {"a=1"}}
		})), map[string]Status{"content-charset": Fail, "content-encoding": Warn, "content-length": Fail, "cache-control": Warn,
			"accel-buffering": Info, "h3-advertised": Info, "path": Info, "sec-private-cache": Fail}},
		{"OPTIONS hangs", tape(steady(RoleA, 0, 100, 9, 1), answer(RoleHead, func(*Exchange) {}), with(recorded(RolePreflight, 0, EndTimeout, 2000), func(x *Exchange) { x.Answered, x.Status = 0, 0 })),
			map[string]Status{"cors-preflight": Warn, "connect-head": Pass}},
		{"compressed for all", func(*testing.T) *Observation {
			a, plain := steady(RoleA, 0, 100, 60, 1), steady(RoleIdentity, 500, 100, 50, 6)
			zip(a)
			zip(plain)
			return recording(a, plain)
		}, bad(Warn, "content-encoding")},
		{"ETag alone", tape(with(steady(RoleA, 0, 100, 9, 1), head("Etag", `"x"`))), bad(Info, "etag-live")},
		{"another gets no headers", tape(steady(RoleA, 0, 100, 60, 1), with(recorded(RoleTwin, 1400, EndTimeout, 6000), func(x *Exchange) { x.Answered, x.Status = 0, 0 })), bad(Fail, "connect-parallel")},
		{"a recording from a cache", tape(steady(RoleA, 0, 100, 60, 1), recorded(RoleTwin, 1500, EndClient, 6000, step{1510, ev(1, 60) + ev(2, 60) + ev(3, 60) + ev(4, 60)}),
			recorded(RoleBust, 6000, EndClient, 7000, step{6100, ev(58, 60)})), bad(Fail, "shared-cache")},
		{"a backlog for everybody", tape(steady(RoleA, 0, 500, 20, 1), recorded(RoleTwin, 1600, EndClient, 6000, step{1610, ev(1, 60) + ev(2, 60) + ev(3, 60)}),
			recorded(RoleBust, 9000, EndClient, 9900, step{9010, ev(14, 60) + ev(15, 60) + ev(16, 60) + ev(17, 60) + ev(18, 60)}),
			recorded(RoleFresh, 9000, EndClient, 9900, step{9010, ev(14, 60) + ev(15, 60) + ev(16, 60) + ev(17, 60) + ev(18, 60)})), good("shared-cache")},
		{"all again, of few", tape(steady(RoleA, 0, 1000, 7, 1), with(recorded(RoleResume1, 7500, EndClient, 8000, step{7510, ev(1, 60) + ev(2, 60) + ev(3, 60)}), asked("5")),
			with(recorded(RoleResume2, 8000, EndClient, 8500, step{8010, ev(1, 60) + ev(2, 60) + ev(3, 60)}), asked("3")), recorded(RoleControl, 8500, EndClient, 9500)), bad(Inconclusive, "resume")},
		{"IDs of each connection", tape(recorded(RoleA, 0, EndClient, 900, step{100, "id: 1\ndata: a\n\n"}, step{200, "id: 2\ndata: b\n\n"}),
			recorded(RoleTwin, 400, EndClient, 900, step{500, "id: 1\ndata: c\n\n"}, step{600, "id: 2\ndata: d\n\n"})), bad(Fail, "id-stable")},
		{"no IDs", tape(recorded(RoleA, 0, EndClient, 900, step{100, "data: a\n\n"})), bad(Warn, "id-present")},
		{"IDs that fall", tape(recorded(RoleA, 0, EndClient, 900, step{100, ev(2, 60) + ev(1, 60)})), bad(Info, "id-order")},
		{"ID with NUL", tape(recorded(RoleA, 0, EndClient, 900, step{100, "id: a\x00\ndata: x\n\n"})), bad(Fail, "id-syntax")},
		{"heartbeats", tape(recorded(RoleA, 0, EndClient, 900, step{100, ": hb\n\n"})), bad(Info, "heartbeat-kind")},
		{"framing", tape(recorded(RoleA, 0, EndClient, 900, step{100, "\ufeffretry: 10\ndata: {\"a\":\n\"b\"}\n\nevent: x\n\ndata: \xff\r\n\r\n" + "data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\ndata: " + strings.Repeat("x", 70<<10) + "\n\n\ufeffdata: y\n\n"})),
			map[string]Status{"frame-field": Fail, "frame-eol": Warn, "frame-utf8": Warn, "frame-bom": Fail, "frame-size": Warn, "frame-nodata": Warn, "retry-value": Fail}},
		{"payload in two", tape(recorded(RoleA, 0, EndClient, 900, step{100, strings.Repeat("data: {\"a\":1}\n\n", 8) + "data: {\"a\"\n\n"})), bad(Fail, "frame-newline-lost")},
		{"CORS for one page", options(Options{WebOrigin: "https://app.example.com", Credentials: true}, with(steady(RoleA, 0, 100, 9, 1), func(x *Exchange) {
			x.Header.Set("Access-Control-Allow-Origin", "https://app.example.com")
			x.Header.Set("Access-Control-Allow-Credentials", "true")
			x.Header.Set("Vary", "Origin")
		}), answer(RolePreflight, func(x *Exchange) {
			x.Header.Set("Access-Control-Allow-Origin", "https://app.example.com")
			x.Header.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
		})), good("cors-origin cors-credentials cors-preflight")},
		{"CORS for every page", options(Options{WebOrigin: "https://app.example.com", Credentials: true}, with(steady(RoleA, 0, 100, 9, 1), head("Access-Control-Allow-Origin", "https://other.example.com")),
			answer(RolePreflight, head("Access-Control-Allow-Origin", "*")),
			answer(RoleCORS, func(x *Exchange) {
				x.Header.Set("Access-Control-Allow-Origin", strangeOrigin)
				x.Header.Set("Access-Control-Allow-Credentials", "true")
			})), map[string]Status{"cors-origin": Fail, "cors-credentials": Fail, "cors-preflight": Warn, "cors-reflect": Warn}},
		{"a hop between", options(Options{OriginURL: "http://origin/"}, append(resumed(RoleA, RoleResume1, RoleResume2, RoleControl, false),
			append(resumed(RoleOrigin, RoleOriginResume1, RoleOriginResume2, RoleOriginControl, true), recorded(RoleOrigin, 0, EndClient, 1))...)...),
			bad(Fail, "resume-hop")},
		{"no hop between", options(Options{OriginURL: "http://origin/"}, append(resumed(RoleA, RoleResume1, RoleResume2, RoleControl, true), resumed(RoleOrigin, RoleOriginResume1, RoleOriginResume2, RoleOriginControl, true)...)...),
			good("resume-hop")},
		{"comments taken away", options(Options{OriginURL: "http://origin/"}, steady(RoleA, 0, 100, 9, 1), recorded(RoleOrigin, 0, EndClient, 900, step{100, ": hb\n\n: hb\n\n"})), bad(Info, "comments-pass")},
		{"compressed by a hop", options(Options{OriginURL: "http://origin/"}, with(recorded(RoleA, 0, EndClient, 900), head("Content-Encoding", "gzip")), steady(RoleOrigin, 0, 100, 9, 1)), bad(Warn, "no-transform")},
		{"left and noticed", func(*testing.T) *Observation {
			o := recording(steady(RoleA, 0, 100, 9, 1))
			o.Orphans = []int{3, 0}
			return o
		}, good("disconnect-seen")},
		{"left and not noticed", func(*testing.T) *Observation {
			o := recording(steady(RoleA, 0, 100, 9, 1))
			o.Orphans = []int{3, 3}
			return o
		}, bad(Warn, "disconnect-seen")},
		{"the hub tells of a loss", tape(steady(RoleA, 0, 100, 9, 1), with(recorded(RoleResume1, 900, EndClient, 1000), func(x *Exchange) {
			x.RequestHeader = http.Header{"Last-Event-ID": {"3"}}
			x.Header.Set("Mercure-Last-Event-ID", "earliest")
		})), bad(Warn, "resume-header")},
		{"the hub tells that all is there", tape(steady(RoleA, 0, 100, 9, 1), with(recorded(RoleResume1, 900, EndClient, 1000), func(x *Exchange) {
			x.RequestHeader = http.Header{"Last-Event-ID": {"3"}}
			x.Header.Set("Last-Event-ID", "3")
		})), bad(Info, "resume-header")},
	}
}

// batches is a stream that is let go once a second, at a phase of its own.
func batches(role Role, startMS, phaseMS int) *Exchange {
	x := recorded(role, startMS, EndClient, 9900)
	next := startMS/100 + 1
	for at := startMS/1000*1000 + 1000 + phaseMS; at < 9900; at += 1000 {
		for ; next*100 <= at; next++ {
			text := ev(next, 60)
			x.Body = append(x.Body, text...)
			x.Reads = append(x.Reads, Read{At: ms(at), N: len(text)})
		}
	}
	return x
}

// resumed are a witness and what came when its past was asked for.
func resumed(a, first, second, control Role, exact bool) []*Exchange {
	ask := func(role Role, startMS, id int) *Exchange {
		from := startMS/100 + 1
		if exact && id > 0 {
			from = id + 1
		}
		x := recorded(role, startMS, EndClient, startMS+400)
		for n := from; n <= startMS/100+3; n++ {
			x.Body = append(x.Body, ev(n, 60)...)
			x.Reads = append(x.Reads, Read{At: ms(max(startMS+2, n*100)), N: 60})
		}
		if id > 0 {
			x.RequestHeader = http.Header{"Last-Event-ID": {fmt.Sprint(id)}}
		}
		return x
	}
	return []*Exchange{steady(a, 0, 100, 40, 1), ask(first, 2000, 19), ask(second, 2500, 15), ask(control, 3000, 0)}
}

// TestGoodbyeIsNoBrokenPayload has a stream of JSON end with a word of its own,
// which is no sign of a lost line break.
func TestGoodbyeIsNoBrokenPayload(t *testing.T) {
	body := strings.Repeat("data: {\"a\":1}\n\n", 8) + "event: done\ndata: bye\n\ndata: [DONE]\n\n"
	o := tape(recorded(RoleA, 0, EndEOF, 900, step{100, body}))
	if f := Lookup("frame-newline-lost").Run(o(t)); f.Status != Pass {
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
			o := observed(t, f.serve(t).URL, func(c *Config) { c.Quick = true })
			report := Weigh(o, Config{Options: Options{Quick: true}})
			if got := Lookup("end-clean").Run(o); got.Status != Fail || report.Outcome != OutcomeFail {
				t.Errorf("%s: end-clean %s (%s), outcome %s", name, got.Status, got.Title, report.Outcome)
			}
		})
	}
}

// TestQuickWithoutAnswer has a server that answers other requests, but never the
// one for the stream: a quick run must not pass it.
func TestQuickWithoutAnswer(t *testing.T) {
	unanswered := with(recorded(RoleA, 0, EndTimeout, 10_000), func(x *Exchange) { x.Answered, x.Status, x.Header = 0, 0, nil })
	o := tape(unanswered, recorded(RoleHead, 0, EndEOF, 5))(t)
	report := Weigh(o, Config{Options: Options{Quick: true}})
	if report.Outcome != OutcomeFail {
		t.Errorf("outcome %s: %+v", report.Outcome, report.Checks)
	}
}
