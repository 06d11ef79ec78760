package diag

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// newerTapes are recordings of faults that came up in 2025 and 2026.
func newerTapes() []evidence {
	steady := func(change func(*seen.Exchange)) *seen.Exchange {
		return seentest.With(seentest.Steady(seen.RoleMain, 0, 300, 30, 1), change)
	}
	pieces := func(role seen.Role, change func(*seen.Exchange)) *seen.Exchange {
		return seentest.With(seentest.Pieces(role, 800, 4096, 8), change)
	}
	refused := func(status int) *seen.Exchange {
		return seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 10), func(x *seen.Exchange) {
			x.Status, x.Header = status, http.Header{"Proxy-Status": {"edge.example; error=incremental_refused"}}
		})
	}
	issuer := func(names ...string) func(*seen.Exchange) {
		return func(x *seen.Exchange) {
			x.Issuers, x.TLS = names, &seen.TLS{Version: 0x0304, NotAfter: seentest.RecordedAt.AddDate(0, 3, 0)}
		}
	}
	kaspersky := issuer("AO Kaspersky Lab", "Kaspersky Anti-Virus Personal Root Certificate")
	status := func(code int, after string) *seen.Exchange {
		return seentest.With(seentest.Recorded(seen.RoleSecond, 1000, seen.EndEOF, 1010), func(x *seen.Exchange) {
			x.Status, x.Header = code, http.Header{}
			if after != "" {
				x.Header.Set("Retry-After", after)
			}
		})
	}
	list := []evidence{
		{"Incremental", tape(steady(seentest.Head("Incremental", "?1"))), good("incremental")},
		{"Incremental: ?0", tape(steady(seentest.Head("Incremental", "?0"))), bad(check.Info, "incremental")},
		{"Incremental: true", tape(steady(seentest.Head("Incremental", "true"))), bad(check.Warn, "incremental")},
		{"no Incremental", tape(steady(func(*seen.Exchange) {})), bad(check.Info, "incremental")},
		{"no Incremental, and held", tape(pieces(seen.RoleMain, func(*seen.Exchange) {}), pieces(seen.RoleConfirm, func(*seen.Exchange) {})), map[string]check.Status{"incremental": check.Warn, "buffer-proxy": check.Fail}},
		{"no Incremental, and held once", tape(pieces(seen.RoleMain, func(*seen.Exchange) {}), seentest.Steady(seen.RoleConfirm, 7000, 500, 12, 100)), bad(check.Warn, "incremental")},
		{"Incremental, and held", tape(pieces(seen.RoleMain, seentest.Head("Incremental", "?1"))), map[string]check.Status{"incremental": check.Pass, "buffer-proxy": check.Fail}},
		{"Incremental refused", tape(refused(http.StatusNotImplemented)), bad(check.Fail, "incremental", "connect-status")},
		{"Incremental refused for now", tape(refused(http.StatusServiceUnavailable)), bad(check.Fail, "incremental", "connect-status")},

		{"Let's Encrypt", tape(steady(issuer("Let's Encrypt", "R13"))), good("tls-interceptor connect-tls")},
		{"Kaspersky", tape(steady(kaspersky)), bad(check.Info, "tls-interceptor")},
		{"Kaspersky, and held", tape(pieces(seen.RoleMain, kaspersky), pieces(seen.RoleConfirm, kaspersky)), map[string]check.Status{"tls-interceptor": check.Warn, "buffer-proxy": check.Fail}},
		{"Zscaler, not accepted", tape(seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndError, 10), func(x *seen.Exchange) {
			x.Answered, x.Status, x.Header, x.Phase, x.Error = 0, 0, nil, seen.PhaseTLS, "failed to verify certificate: x509: certificate signed by unknown authority"
			x.Issuers = []string{"Zscaler Inc.", "Zscaler Intermediate Root CA (zscaler.net)"}
		})), map[string]check.Status{"tls-interceptor": check.Warn, "connect-tls": check.Fail}},

		{"one worker, free at the end", tape(seentest.Steady(seen.RoleMain, 0, 300, 40, 1), seentest.With(seentest.Recorded(seen.RoleSecond, 1400, seen.EndClient, 12_310), func(x *seen.Exchange) { x.Answered = seentest.MS(12_301) })), bad(check.Fail, "connect-parallel")},
		{"retry", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 900, seentest.Arrive(10, "retry: 5000\n\n"+seentest.Ev(1, 60)))), good("storm retry-value")},
		{"no retry", tape(steady(func(*seen.Exchange) {})), bad(check.Info, "storm")},
		{"503 for a second stream", tape(steady(func(*seen.Exchange) {}), status(http.StatusServiceUnavailable, "")), bad(check.Warn, "storm")},
		{"503 with a time", tape(steady(func(*seen.Exchange) {}), status(http.StatusServiceUnavailable, "7")), good("storm")},
		{"429 with a date", tape(steady(func(*seen.Exchange) {}), status(http.StatusTooManyRequests, "Tue, 24 Nov 2026 12:00:30 GMT")), good("storm")},
		{"503 with a date that is past", tape(steady(func(*seen.Exchange) {}), status(http.StatusServiceUnavailable, "Tue, 24 Nov 2026 11:00:30 GMT")), bad(check.Warn, "storm")},
		{"503 with no time to wait", tape(steady(func(*seen.Exchange) {}), status(http.StatusServiceUnavailable, "0")), bad(check.Warn, "storm")},
	}
	return slices.Concat(list, ageTapes(), controlTapes(), foreignTapes(), listenTapes())
}

// envoy is a stream of so many seconds, an event each, by way of Envoy.
func envoy(seconds int, end seen.End, endMS int) *seen.Exchange {
	return seentest.With(seentest.Steady(seen.RoleMain, 0, 1000, seconds, 1), func(x *seen.Exchange) {
		x.Header.Set("Server", "uvicorn")
		x.Header.Set("X-Envoy-Upstream-Service-Time", "3")
		x.End, x.Ended = end, seentest.MS(endMS)
		if end == seen.EndReset {
			x.Between, x.Error = true, "unexpected EOF"
		}
	})
}

// ageTapes are streams of some age.
func ageTapes() []evidence {
	gaveUp := seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 15_012, seentest.Arrive(15_012, "upstream request timeout")), func(x *seen.Exchange) {
		x.Status, x.Answered, x.Header = http.StatusGatewayTimeout, seentest.MS(15_011), http.Header{"Content-Type": {"text/plain"}, "Server": {"envoy"}}
	})
	return []evidence{
		{"Envoy, cut after 15 s", tape(envoy(14, seen.EndReset, 15_010)), map[string]check.Status{"lifetime-cut": check.Fail, "end-clean": check.Skip}},
		{"Envoy, cut after 16 s", tape(envoy(15, seen.EndReset, 16_022)), bad(check.Fail, "lifetime-cut")},
		{"Envoy, silent and cut after 15 s", tape(envoy(2, seen.EndReset, 15_010)), map[string]check.Status{"lifetime-cut": check.Fail, "end-clean": check.Skip}},
		{"Envoy, 504 after 15 s", tape(gaveUp), bad(check.Fail, "lifetime-cut")},
		{"Envoy, open after 16.5 s", tape(envoy(16, seen.EndClient, 16_510)), good("lifetime-cut")},
		{"Envoy, ended in order after 15 s", tape(envoy(14, seen.EndEOF, 15_003)), good("lifetime-cut end-clean")},
		{"Envoy, broken off after 12 s", tape(envoy(11, seen.EndReset, 12_000)), map[string]check.Status{"lifetime-cut": check.Skip, "end-clean": check.Warn}},
		{"cut after 15 s, without Envoy", tape(seentest.With(envoy(14, seen.EndReset, 15_010), func(x *seen.Exchange) { x.Header.Del("X-Envoy-Upstream-Service-Time") })),
			map[string]check.Status{"lifetime-cut": check.Skip, "end-clean": check.Warn}},
	}
}

// controlled is a stream of text, with an event of IDs 1, 2 and so on for each x, and
// the events given by their place.
func controlled(events ...string) *seen.Exchange {
	x := seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 500*(len(events)+1))
	for i, text := range events {
		if !strings.Contains(text, "\n") {
			text = fmt.Sprintf("id: %s\ndata: {\"n\":%q}\n\n", text, text)
		}
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, seen.Read{At: seentest.MS(500 * (i + 1)), N: len(text)})
	}
	return x
}

// controlTapes are streams with heartbeats.
func controlTapes() []evidence {
	ping := func(id string) string { return "event: ping\n" + id + "data: {}\n\n" }
	return []evidence{
		{"pings without IDs", tape(controlled("1", "2", ping(""), "3", "4", ping(""), "5")), good("id-control")},
		{"pings in the sequence", tape(controlled("1", "2", ping("id: 3\n"), "4", "5", ping("id: 6\n"))), good("id-control")},
		{"pings with the last ID", tape(controlled("e-1", "e-2", ping("id: e-2\n"), "e-3", ping("id: e-3\n"))), good("id-control")},
		{"pings in the sequence of other IDs", tape(controlled("e-1", "e-2", ping("id: e-3\n"), "e-4", "e-5")), good("id-control")},
		{"UUIDs for all", tape(controlled("0b9c7c52-1ad2-4b5f", "77e1b0aa-9f00-41d4", "c1d2e3f4-0000-4111", ping("id: 9a9b9c9d-1234-4aaa\n"), "deadbeef-1234-4eee")), good("id-control")},
		{"a ping before any event", tape(controlled(ping("id: 0\n"), "1", "2", "3")), good("id-control")},
		{"pings with a counter of their own", tape(controlled("101", "102", ping("id: 1\n"), "103", "104", ping("id: 2\n"), "105")), bad(check.Fail, "id-control")},
		{"pings ahead of the events", tape(controlled("1", "2", ping("id: 900\n"), "3", "4")), bad(check.Fail, "id-control")},
		{"pings of one ID", tape(controlled("e-1", "e-2", ping("id: e-p\n"), "e-3", ping("id: e-p\n"), "e-4")), map[string]check.Status{"id-control": check.Fail, "id-stable": check.Inconclusive}},
		{"pings that reset the ID", tape(controlled("1", "2", "3", ping("id\n"), "4")), bad(check.Fail, "id-control")},
		{"pings of another form", tape(controlled("1", "2", "3", ping("id: hb-17\n"), "4")), bad(check.Warn, "id-control")},
		{"pings with an older ID", tape(controlled("1", "2", "3", ping("id: 1\n"), "4")), bad(check.Warn, "id-control")},
		{"heartbeats that are messages", tape(controlled("e-1", "e-2", "id: 0\ndata: {\"type\":\"heartbeat\"}\n\n", "e-3", "id: 0\ndata: {\"type\":\"heartbeat\"}\n\n", "e-4")), bad(check.Fail, "id-control")},
		{"too few events to know", tape(controlled("101", ping("id: 1\n"), "102")), good("id-control")},
	}
}

// foreignTapes have another user ask with an ID of the first.
func foreignTapes() []evidence {
	first := func() *seen.Exchange { return seentest.Steady(seen.RoleMain, 0, 300, 30, 1) }
	replay := func(from, to int) string {
		text := ""
		for n := from; n <= to; n++ {
			text += seentest.Ev(n, 60)
		}
		return text
	}
	got := func(text string) *seen.Exchange {
		return seentest.With(seentest.Recorded(seen.RoleForeign, 6500, seen.EndClient, 7000, seentest.Arrive(6510, text)), seentest.Asked("15"))
	}
	refused := func(x *seen.Exchange, status int) *seen.Exchange {
		return seentest.With(x, func(x *seen.Exchange) { x.Status, x.End = status, seen.EndEOF })
	}
	quiet := func() *seen.Exchange { return seentest.Recorded(seen.RoleForeignNoID, 7010, seen.EndClient, 8500) }
	others := "id: b-1\ndata: x\n\n"
	given := seen.Options{Other: true}
	return []evidence{
		{"another user is given the events", options(given, first(), got(replay(16, 21)), quiet()), bad(check.Fail, "resume-foreign")},
		{"another user has nothing of their own", options(given, first(), got(replay(16, 21)), refused(quiet(), http.StatusForbidden)), bad(check.Fail, "resume-foreign")},
		{"another user has the same stream", options(given, first(), got(replay(16, 21)), seentest.Recorded(seen.RoleForeignNoID, 7010, seen.EndClient, 8500, seentest.Arrive(7205, seentest.Ev(24, 60)))), bad(check.Warn, "resume-foreign")},
		{"another user, and nothing to compare with", options(given, first(), got(replay(16, 21)), seentest.Recorded(seen.RoleForeignNoID, 7010, seen.EndClient, 7100)), bad(check.Warn, "resume-foreign")},
		{"another user has a stream of their own", options(given, first(), got(others), quiet()), good("resume-foreign")},
		{"another user is refused", options(given, first(), refused(got(""), http.StatusForbidden), quiet()), good("resume-foreign")},
		{"another user meets an error", options(given, first(), refused(got(""), http.StatusInternalServerError), quiet()), bad(check.Inconclusive, "resume-foreign")},
	}
}

// listenTapes are servers of MCP 2026-07-28.
func listenTapes() []evidence {
	const ack = `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{}}}` + "\n\n"
	mcp := seen.Options{Profile: seen.ProfileMCP}
	answered := func(role seen.Role, status int, contentType, body string) *seen.Exchange {
		return seentest.With(seentest.Recorded(role, 10, seen.EndEOF, 20, seentest.Arrive(15, body)), func(x *seen.Exchange) {
			x.Status, x.Method = status, http.MethodPost
			x.Header.Set("Content-Type", contentType)
		})
	}
	with := func(capabilities string, listen *seen.Exchange) func(*testing.T) *seen.Observation {
		return options(mcp, answered(seen.RoleMain, http.StatusMethodNotAllowed, "text/plain", ""), answered(seen.RoleMCPPost, http.StatusBadRequest, "application/json", "{}"),
			answered(seen.RoleDiscover, http.StatusOK, "application/json", `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":`+capabilities+`}}`),
			listen, answered(seen.RoleMCPGet, http.StatusMethodNotAllowed, "text/plain", ""), answered(seen.RoleMCPDelete, http.StatusMethodNotAllowed, "text/plain", ""))
	}
	open := func(text string) *seen.Exchange {
		return seentest.Recorded(seen.RoleMCPListen, 30, seen.EndClient, 400, seentest.Arrive(40, text))
	}
	const none, changes = `{"tools":{}}`, `{"tools":{"listChanged":true}}`
	const unknown = `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}`
	return []evidence{
		{"listens", with(changes, open(ack)), good("mcp-listen mcp-get mcp-post connect-status")},
		{"listens, after a comment", with(changes, open(":\r\n"+ack)), good("mcp-listen")},
		{"has no subscriptions", with(none, answered(seen.RoleMCPListen, http.StatusNotFound, "application/json", unknown)), good("mcp-listen")},
		{"announces changes, and has no subscriptions", with(changes, answered(seen.RoleMCPListen, http.StatusNotFound, "application/json", unknown)), bad(check.Warn, "mcp-listen")},
		{"has no subscriptions, and 200 for that", with(none, answered(seen.RoleMCPListen, http.StatusOK, "application/json", unknown)), bad(check.Warn, "mcp-listen")},
		{"never acknowledges", with(changes, seentest.Recorded(seen.RoleMCPListen, 30, seen.EndClient, 2400)), bad(check.Fail, "mcp-listen")},
		{"acknowledges in JSON", with(changes, answered(seen.RoleMCPListen, http.StatusOK, "application/json", strings.TrimPrefix(ack, "data: "))), bad(check.Fail, "mcp-listen")},
		{"acknowledges, and ends", with(changes, seentest.With(open(ack), func(x *seen.Exchange) { x.End = seen.EndEOF })), bad(check.Fail, "mcp-listen")},
		{"begins with a change", with(changes, open(`data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}`+"\n\n"+ack)), bad(check.Fail, "mcp-listen")},
		{"acknowledges without the ID", with(changes, open(`data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}`+"\n\n")), bad(check.Warn, "mcp-listen")},
		{"listens with IDs", with(changes, open("id: 7\n"+ack)), bad(check.Info, "mcp-listen")},
		{"no revision of 2026", options(mcp, answered(seen.RoleMain, http.StatusMethodNotAllowed, "text/plain", ""), answered(seen.RoleMCPPost, http.StatusOK, "application/json", `{"jsonrpc":"2.0","id":1,"result":{}}`),
			answered(seen.RoleDiscover, http.StatusBadRequest, "application/json", "{}")), map[string]check.Status{"mcp-listen": check.Skip, "mcp-post": check.Pass}},
	}
}
