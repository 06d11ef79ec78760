package listencmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/cursor"
	"github.com/ssectl/ssectl/cmd/internal/preset"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/stream"
)

// The bounds of what a rest keeps: texts of positions, the first event in a cursor
// file, and connections in a row that end in order without anything.
const (
	maxRecent = 4096
	maxFirst  = 16 << 10
	maxEmpty  = 5
)

// A rest follows an answer to know how its rest is fetched after a cut, and leaves
// out the events that come again.
type rest struct {
	preset.Rest
	ctx      context.Context
	warn     func(error)
	origin   *http.Request // the first request
	hasEnd   bool          // an event ends the answer, so that nothing else does
	keeps    bool          // the first event and the response go into a cursor file
	seen     map[string]any
	id       *query.Query
	position *query.Query
	request  *query.Query
	failed   map[*query.Query]bool

	last   position
	recent map[string]bool // texts of positions
	order  []string        // of recent, oldest first
	count  int64           // events
	ended  string          // [cursor.Complete] or [cursor.Failed]

	// The connection.
	continued bool            // it is one for the rest
	catching  bool            // nothing new has come on it
	until     position        // the last one before it
	ordinal   int64           // events before the next one, from the first of the answer on
	empty     int             // connections in a row without a new event
	stored    *cursor.Request // of an earlier run, until an event has come
}

// A position is that of an event in an answer.
type position struct {
	value  any // as the expression gave it, nil if there is none
	text   string
	number int64
	counts bool // it is a number
}

func newPosition(value any) position {
	text, err := query.Marshal(value)
	if value == nil || value == "" || err != nil {
		return position{}
	}
	p := position{value: value, text: string(text)}
	p.counts = json.Unmarshal(text, &p.number) == nil
	return p
}

// newRest returns nil if there is no way to fetch a rest, or none is needed.
func newRest(ctx context.Context, opts *options, service preset.Preset, req *http.Request, hasEnd bool, warn func(error)) (*rest, error) {
	r := &rest{ctx: ctx, warn: warn, origin: req, hasEnd: hasEnd, failed: map[*query.Query]bool{}, recent: map[string]bool{}}
	switch {
	case opts.ResumeGet == "" && opts.ResumePosition != "":
		return nil, errors.New("--resume-position needs --resume-get")
	case opts.ResumeGet != "" && opts.Resume != "id":
		return nil, fmt.Errorf("--resume-get and --resume %s exclude each other", opts.Resume)
	case opts.ResumeGet != "":
		r.Rest = preset.Rest{Position: `.id`}
		if service.Rest != nil {
			r.Rest = *service.Rest
			r.Lost = ""
		}
		if opts.ResumePosition != "" {
			r.Position, r.Dense = opts.ResumePosition, false
		}
		r.Request, r.keeps = opts.ResumeGet, true
	case service.Rest == nil || opts.Resume != "id" || req.Method == http.MethodGet:
		return nil, nil
	default:
		r.Rest = *service.Rest
	}
	for _, expression := range []struct {
		source string
		query  **query.Query
	}{{r.ID, &r.id}, {r.Position, &r.position}, {r.Request, &r.request}} {
		if expression.source == "" {
			continue
		}
		q, err := query.Compile(expression.source)
		if err != nil {
			return nil, err
		}
		*expression.query = q
	}
	r.seen = map[string]any{
		"request": requestInput(req), "response": map[string]any{"status": nil, "headers": map[string]any{}},
		"first": nil, "last": nil, "id": nil, "position": nil, "count": 0,
	}
	return r, nil
}

// requestInput returns a request as expressions see it, without credentials.
func requestInput(req *http.Request) map[string]any {
	u := *req.URL
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	input := map[string]any{"method": req.Method, "url": u.String(), "query": values(u.Query()), "json": nil, "form": map[string]any{}}
	headers := http.Header{}
	for name, list := range req.Header {
		if redact.IsPlainHeader(name) {
			headers[name] = list
		}
	}
	input["headers"] = headerInput(headers)
	u.RawQuery, u.ForceQuery = "", false
	input["base"] = strings.TrimRight(u.String(), "/")
	if req.GetBody == nil {
		return input
	}
	body, err := req.GetBody()
	if err != nil {
		return input
	}
	text, _ := io.ReadAll(body) // from memory
	input["json"] = query.Parse(text)
	if form, err := url.ParseQuery(string(text)); err == nil && strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		input["form"] = values(form)
	}
	return input
}

func values(list url.Values) map[string]any {
	input := map[string]any{}
	for name := range list {
		input[name] = list.Get(name)
	}
	return input
}

func headerInput(header http.Header) map[string]any {
	input := map[string]any{}
	for name, values := range header {
		input[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return input
}

// first returns the first result of an expression. One that fails has none.
func (r *rest) first(q *query.Query, input map[string]any) any {
	if q == nil {
		return nil
	}
	value, err := q.First(r.ctx, input)
	if err != nil && r.ctx.Err() == nil && !r.failed[q] {
		r.failed[q] = true
		if q != r.position {
			err = withoutValue(err)
		}
		r.warn(err)
	}
	if err != nil {
		return nil
	}
	return value
}

// withoutValue returns the error of an expression without the value that it failed
// on, which may be of the request: a key in its URL, or its body.
func withoutValue(err error) error {
	why := err.Error()
	if inner := errors.Unwrap(err); inner != nil {
		why = inner.Error()
	}
	if strings.HasPrefix(why, "error") {
		why = "it ended with an error of its own"
	}
	why, _, _ = strings.Cut(why, " (")
	return fmt.Errorf("the request for the rest: jq expression: %s", why)
}

// connected takes up a connection. An answer that does not continue another one is
// a new one.
func (r *rest) connected(resp *http.Response) {
	r.ordinal = 0
	if r.continued {
		r.catching, r.until = true, r.last
		if !r.Replays {
			r.ordinal = r.count
		}
		return
	}
	r.last, r.count, r.ended = position{}, 0, ""
	clear(r.recent)
	r.order = nil
	maps.Copy(r.seen, map[string]any{
		"response": map[string]any{"status": resp.StatusCode, "headers": headerInput(resp.Header)},
		"first":    nil, "last": nil, "id": nil, "position": nil, "count": 0,
	})
	r.identify()
}

func (r *rest) identify() {
	if r.seen["id"] == nil {
		r.seen["id"] = r.first(r.id, r.seen)
	}
}

// lost returns what a cut will lose, "" if nothing.
func (r *rest) lost() string {
	if r.Lost == "" {
		return ""
	}
	q, err := query.Compile(r.Lost)
	if err != nil {
		return ""
	}
	text, _ := r.first(q, r.seen).(string)
	return text
}

// event takes an event. It reports whether it came before, and which positions were
// missed before it.
func (r *rest) event(event map[string]any) (again bool, missed string) {
	r.ordinal++
	at := newPosition(r.first(r.position, event))
	if r.catching && r.cameBefore(at) {
		if !r.Replays {
			r.ordinal-- // it was counted before the cut
		}
		return true, ""
	}
	if r.catching && r.Dense && at.counts && r.until.counts && at.number > r.until.number+1 {
		missed = fmt.Sprintf("gap: asked for events after %s, but the server continues with %s: events were missed", r.until.text, at.text)
	}
	if at.value != nil || r.position == nil {
		r.catching = false
	}
	r.stored, r.empty = nil, 0
	r.count = max(r.count, r.ordinal)
	if at.value != nil {
		r.last = at
		r.remember(at)
	}
	if r.seen["first"] == nil {
		r.seen["first"] = event
	}
	r.seen["last"], r.seen["position"], r.seen["count"] = event, r.last.value, int(r.count)
	r.identify()
	return false, missed
}

// cameBefore reports whether an event of a connection for the rest is one that was
// seen before the cut.
func (r *rest) cameBefore(at position) bool {
	switch {
	case at.value == nil:
		return r.Replays && r.ordinal <= r.count
	case at.counts && r.until.counts:
		return at.number <= r.until.number
	}
	return at.text == r.until.text || r.recent[at.text]
}

// remember keeps the text of a position, of which none is before another.
func (r *rest) remember(at position) {
	if at.counts || r.recent[at.text] {
		return
	}
	if len(r.order) == maxRecent {
		delete(r.recent, r.order[0])
		r.order = r.order[1:]
	}
	r.recent[at.text] = true
	r.order = append(r.order, at.text)
}

// next is for [listen.Options.Continue].
func (r *rest) next(cut listen.Cut) *http.Request {
	if cut.Err == io.EOF && cut.Unfinished == 0 {
		r.empty++
		if !r.hasEnd || r.empty > maxEmpty && !r.Polls {
			return nil
		}
	}
	target := r.target()
	if target == nil {
		return nil
	}
	req, err := r.newRequest(target)
	if err != nil {
		r.warn(fmt.Errorf("the request for the rest: %w", err))
		return nil
	}
	r.continued = true
	return req
}

// target returns what is asked for the rest, nil if it cannot be.
func (r *rest) target() *cursor.Request {
	if r.stored != nil {
		return r.stored
	}
	switch value := r.first(r.request, r.seen).(type) {
	case string:
		return &cursor.Request{URL: value}
	case map[string]any:
		return objectTarget(value)
	}
	return nil
}

// objectTarget reads the object of an expression. Keys whose value is null count for
// nothing.
func objectTarget(object map[string]any) *cursor.Request {
	target := &cursor.Request{URL: text(object["url"]), Method: strings.ToUpper(text(object["method"])), Body: text(object["body"])}
	if target.URL == "" {
		return nil
	}
	if headers, ok := object["headers"].(map[string]any); ok {
		target.Headers = map[string]string{}
		for name, value := range headers {
			if value != nil {
				target.Headers[name] = text(value)
			}
		}
	}
	if more, ok := object["query"].(map[string]any); ok {
		base, _, _ := strings.Cut(target.URL, "#")
		base, before, _ := strings.Cut(base, "?")
		list, _ := url.ParseQuery(before)
		for name, value := range more {
			if value != nil {
				list.Set(name, text(value))
			}
		}
		target.URL = base + "?" + list.Encode()
	}
	return target
}

// text returns a result as text, JSON if it is none, "" for null.
func text(value any) string {
	if s, ok := value.(string); ok || value == nil {
		return s
	}
	text, _ := query.Marshal(value)
	return string(text)
}

// newRequest makes a request for the rest from the first one. Credentials, and a
// body, do not leave its origin; headers that the expression itself gives do.
func (r *rest) newRequest(target *cursor.Request) (*http.Request, error) {
	u, err := r.origin.URL.Parse(target.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("not a URL: %q", redact.WithoutSecrets(target.URL))
	}
	next := r.origin.Clone(r.origin.Context())
	next.URL, next.Method = u, target.Method
	if next.Method == "" {
		next.Method = http.MethodGet
	}
	if !httpx.IsToken(next.Method) {
		return nil, fmt.Errorf("not a method: %q", next.Method)
	}
	next.Body, next.GetBody, next.ContentLength, next.TransferEncoding = nil, nil, 0, nil
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Length", "Last-Event-Id"} {
		next.Header.Del(name)
	}
	if next.Method == http.MethodGet {
		next.Header.Set("Accept", stream.ContentType)
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if curl.SameOrigin(r.origin.URL, u) {
		u.User = r.origin.URL.User
	} else {
		curl.Strip(next.Header)
		next.Host = ""
		if target.Body != "" {
			return nil, fmt.Errorf("no body is sent to another origin, %s://%s", u.Scheme, u.Host)
		}
	}
	for name, value := range target.Headers {
		if !httpx.IsToken(name) || !httpx.IsFieldValue(value) || strings.EqualFold(name, "Host") {
			return nil, fmt.Errorf("invalid header %q", name)
		}
		next.Header.Set(name, value)
	}
	if len(target.Query) > 0 {
		list, given := u.Query(), r.origin.URL.Query()
		for _, name := range target.Query {
			list[name] = given[name]
		}
		u.RawQuery = list.Encode()
	}
	if target.Body != "" {
		body := []byte(target.Body)
		next.ContentLength = int64(len(body))
		next.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		next.Body, _ = next.GetBody()
	}
	return next, nil
}

// kept returns what a cursor file holds of the answer.
func (r *rest) kept() *cursor.Rest {
	kept := &cursor.Rest{Asked: true, Ended: r.ended, Count: r.count, ID: raw(r.seen["id"]), Position: raw(r.last.value)}
	if target := r.target(); target != nil {
		kept.Request = r.withoutSecrets(target)
	}
	if !r.keeps {
		return kept
	}
	if first := raw(r.seen["first"]); len(first) <= maxFirst {
		kept.First = first
	}
	if response, ok := r.seen["response"].(map[string]any); ok {
		kept.Response = map[string]string{}
		for name, value := range response["headers"].(map[string]any) {
			if isKept(name, text(value)) {
				kept.Response[name] = text(value)
			}
		}
	}
	return kept
}

// isKept reports whether a cursor file may hold a header: the session of MCP is
// needed, others that may be secret are not.
func isKept(name, value string) bool {
	return strings.EqualFold(name, "Mcp-Session-Id") || redact.ResponseHeader(name, value) == value && !strings.EqualFold(name, "Set-Cookie")
}

// withoutSecrets returns a request as a cursor file holds it: what the first request
// has too is taken from the command line of the next run.
func (r *rest) withoutSecrets(target *cursor.Request) *cursor.Request {
	if r.stored == target {
		return target
	}
	kept := &cursor.Request{Method: target.Method, URL: target.URL, Body: target.Body}
	for name, value := range target.Headers {
		if isKept(name, value) && (redact.IsPlainHeader(name) || strings.EqualFold(name, "Mcp-Session-Id")) {
			if kept.Headers == nil {
				kept.Headers = map[string]string{}
			}
			kept.Headers[name] = value
		}
	}
	u, err := r.origin.URL.Parse(target.URL)
	if err != nil {
		return nil
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	list := u.Query()
	for name, given := range r.origin.URL.Query() {
		if slices.Equal(list[name], given) {
			list.Del(name)
			kept.Query = append(kept.Query, name)
		}
	}
	if kept.Query != nil {
		slices.Sort(kept.Query)
		u.RawQuery = list.Encode()
	}
	kept.URL = u.String()
	return kept
}

// restore takes up an answer where an earlier run left it, and returns the request
// for its rest, nil if there is none.
func (r *rest) restore(kept *cursor.Rest) (*http.Request, error) {
	if kept.Request == nil {
		return nil, nil
	}
	r.stored, r.continued = kept.Request, true
	r.last = newPosition(query.Parse(kept.Position))
	r.remember(r.last)
	r.count = kept.Count
	maps.Copy(r.seen, map[string]any{"id": query.Parse(kept.ID), "position": r.last.value, "count": int(r.count), "first": query.Parse(kept.First)})
	if kept.Response != nil {
		headers := map[string]any{}
		for name, value := range kept.Response {
			headers[name] = value
		}
		r.seen["response"] = map[string]any{"status": http.StatusOK, "headers": headers}
	}
	return r.newRequest(kept.Request)
}

// raw returns a value as JSON, nil for null.
func raw(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	text, err := query.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}
