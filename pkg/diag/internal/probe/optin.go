package probe

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// find returns the exchange of a role, or nil.
func (p *prober) find(role seen.Role) *running {
	for _, r := range p.all {
		if r.snapshot().Role == role {
			return r
		}
	}
	return nil
}

// toOrigin turns a request into the same to the origin.
func (p *prober) toOrigin(r *http.Request) {
	if u, err := url.Parse(p.cfg.OriginURL); err == nil {
		r.URL, r.Host = u, ""
	}
}

// inject sends line breaks in the query, which a careless server copies into
// the stream.
func (p *prober) inject(ctx context.Context) {
	r := p.stream(ctx, seen.RoleInject, func(r *http.Request) {
		payload := "x\n\nevent: " + seen.InjectedType + "\ndata: x\n\n"
		q := r.URL.Query()
		for name := range q {
			q.Set(name, payload)
		}
		for _, name := range []string{"id", "lastEventId", "event", "name", "q", "ssectl"} {
			q.Set(name, payload)
		}
		r.URL.RawQuery = q.Encode()
	})
	p.until(ctx, p.clock()+shortLimit, func() bool { return over(r) })
	r.close()
}

// ranges asks for parts of a stream that is stored.
func (p *prober) ranges(ctx context.Context, x *seen.Exchange) {
	events := x.Timeline().Events
	if len(events) < 2 {
		return
	}
	at := events[len(events)/2].Offset
	ask := func(role seen.Role, from int, condition string) {
		r := p.stream(ctx, role, func(r *http.Request) {
			r.Header.Set("Accept-Encoding", "identity")
			r.Header.Set("Range", "bytes="+strconv.Itoa(from)+"-")
			if condition != "" {
				r.Header.Set("If-Range", condition)
			}
		})
		// The start of a part suffices, and parts may be sent slowly.
		p.await(ctx, r.answered, shortLimit)
		p.await(ctx, r.done, 200*time.Millisecond)
		r.close()
	}
	ask(seen.RoleRange, at, httpx.Validator(x.Header))
	ask(seen.RoleRangeIf, at, `"ssectl-`+random()+`"`)
	if t := x.Timeline(); t.Ended { // and not only as far as it was looked at
		ask(seen.RoleRangeEnd, len(t.Plain), "")
	}
}

// mcp asks as a client of the Model Context Protocol does: with the handshake
// of the revisions that have one, and in its session, else with the request that
// took its place. A session that the user gave is used as it is.
func (p *prober) mcp(ctx context.Context) {
	inSession := map[string]string{"Mcp-Protocol-Version": seen.MCPStateful}
	if p.cfg.Request.Header.Get("Mcp-Session-Id") == "" {
		x := p.mcpPost(ctx, seen.RoleMCPPost, seen.MCPInitialize, nil)
		session := x.Header.Get("Mcp-Session-Id")
		if x.Status == http.StatusOK && seen.MCPAnswerOf(x).Whole() && session != "" {
			inSession["Mcp-Session-Id"] = session
			p.mcpPost(ctx, seen.RoleMCPReady, seen.MCPInitialized, inSession)
		}
		p.mcpStateless(ctx)
	}
	p.short(ctx, seen.RoleMCPGet, func(r *http.Request) {
		r.Method, r.Body = http.MethodGet, nil
		for name, value := range inSession {
			r.Header.Set(name, value)
		}
	})
}

// mcpStateless asks in the revision without a handshake, and for the stream that it
// has, where the server speaks it.
func (p *prober) mcpStateless(ctx context.Context) {
	in := func(method string) map[string]string {
		return map[string]string{"Mcp-Protocol-Version": seen.MCPStateless, "Mcp-Method": method}
	}
	p.mcpPost(ctx, seen.RoleDiscover, seen.MCPDiscover, in("server/discover"))
	stateful, stateless := seen.MCPSpeaks(p.observation())
	if !stateless {
		return
	}
	r := p.mcpStart(ctx, seen.RoleMCPListen, seen.MCPListen, in("subscriptions/listen"))
	p.await(ctx, r.answered, shortLimit)
	p.until(ctx, p.clock()+shortLimit, func() bool { return over(r) || len(r.snapshot().Timeline().Events) > 0 })
	p.await(ctx, r.done, 300*time.Millisecond) // it has to stay open
	r.close()
	if !stateful {
		p.short(ctx, seen.RoleMCPDelete, func(r *http.Request) { r.Method, r.Body = http.MethodDelete, nil })
	}
}

func (p *prober) mcpPost(ctx context.Context, role seen.Role, body string, header map[string]string) *seen.Exchange {
	r := p.mcpStart(ctx, role, body, header)
	p.await(ctx, r.done, 5*time.Second)
	r.close()
	return r.snapshot()
}

// mcpStart sends a message. The headers of the user's own message are not those of
// this one.
func (p *prober) mcpStart(ctx context.Context, role seen.Role, body string, header map[string]string) *running {
	return p.stream(ctx, role, func(r *http.Request) {
		for _, name := range []string{"Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name"} {
			r.Header.Del(name)
		}
		r.Method = http.MethodPost
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", seen.MCPAccept)
		for name, value := range header {
			r.Header.Set(name, value)
		}
	})
}

// countOrphans counts the streams that the origin has open, with ours and
// after they were closed.
func (p *prober) countOrphans(ctx context.Context) {
	with, ok := p.openStreams(ctx)
	if !ok {
		return
	}
	for _, r := range p.all {
		r.close()
	}
	after := with
	p.until(ctx, p.clock()+10*time.Second, func() bool {
		if n, ok := p.openStreams(ctx); ok {
			after = n
		}
		return after < with
	})
	p.orphans = []int{with, after}
}

// openStreams reads the count, a number alone or the member "client_count" or
// "connections" of a JSON object, as ssectl serve has it at /.ssectl/stats.
func (p *prober) openStreams(ctx context.Context) (int, bool) {
	ctx, cancel := context.WithTimeout(ctx, shortLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.ConnsURL, nil)
	if err != nil {
		return 0, false
	}
	resp, err := (&http.Client{Transport: p.transport()}).Do(req)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, false
	}
	var value any
	if json.Unmarshal(body, &value) != nil {
		return 0, false
	}
	if object, ok := value.(map[string]any); ok {
		value = object["client_count"]
		if value == nil {
			value = object["connections"]
		}
	}
	if list, ok := value.([]any); ok {
		return len(list), true
	}
	n, ok := value.(float64)
	return int(n), ok
}
