package fake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
)

// A Match is the requests that an answer is for: those that fit all of it. The zero
// value is all requests.
//
// In the values of Query and Header and in Body, * stands for any text, and [Absent]
// for none at all.
type Match struct {
	Method string // GET stands for HEAD too
	Path   string // a segment {name} or * stands for any one, {name...} or * at the end for more
	Query  map[string]string
	Header map[string]string
	JSON   any // members that the JSON of the body has, at least; nil for any body
	Body   string
	JQ     string // an expression over the request, which is to be true
}

// Absent is the pattern of a parameter or a header that a request must not have.
const Absent = "\x00"

// maxJQ bounds the time of all expressions about a request.
const maxJQ = 5 * time.Second

// A matcher is a Match that is ready.
type matcher struct {
	Match
	path   *httpx.PathPattern // nil for any
	query  []pattern
	header []pattern
	body   *pattern
	json   any
	size   int // of the text of json
	code   *query.Query
}

// compile returns the matcher of a Match.
func (m Match) compile() (*matcher, error) {
	c := &matcher{Match: m}
	if m.Method != "" && !httpx.IsToken(m.Method) {
		return nil, fmt.Errorf("method %q: want a name such as POST", m.Method)
	}
	if m.Path != "" {
		if !strings.HasPrefix(m.Path, "/") {
			return nil, fmt.Errorf("path %q: want one that begins with a slash", m.Path)
		}
		if strings.Contains(m.Path, "?") {
			return nil, fmt.Errorf("path %q: the query is a member of its own", m.Path)
		}
		c.path = httpx.ParsePath(m.Path)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Query)) {
		c.query = append(c.query, newPattern(name, m.Query[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		if !httpx.IsToken(name) {
			return nil, fmt.Errorf("%q is no name of a header", name)
		}
		c.header = append(c.header, newPattern(http.CanonicalHeaderKey(name), m.Header[name]))
	}
	if m.Body != "" {
		p := newPattern("", m.Body)
		c.body = &p
	}
	if m.JSON != nil {
		text, err := json.Marshal(m.JSON)
		if err != nil {
			return nil, fmt.Errorf("json: %w", err)
		}
		c.json, c.size = query.Parse(text), len(text)
	}
	if m.JQ != "" {
		var err error
		if c.code, err = query.Compile(m.JQ); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// A pattern is a text in which * stands for any text.
type pattern struct {
	name   string
	text   string
	pieces []string // between the stars; one where there are none
}

func newPattern(name, text string) pattern {
	return pattern{name: name, text: text, pieces: strings.Split(text, "*")}
}

// matches reports whether one of the values fits.
func (p *pattern) matches(values []string) bool {
	if p.text == Absent {
		return len(values) == 0
	}
	return slices.ContainsFunc(values, p.fits)
}

func (p *pattern) fits(text string) bool {
	last := len(p.pieces) - 1
	if last == 0 {
		return text == p.text
	}
	rest, ok := strings.CutPrefix(text, p.pieces[0])
	if !ok {
		return false
	}
	for _, piece := range p.pieces[1:last] {
		i := strings.Index(rest, piece)
		if i < 0 {
			return false
		}
		rest = rest[i+len(piece):]
	}
	return strings.HasSuffix(rest, p.pieces[last])
}

// A question is a request as answers are compared with it.
type question struct {
	*Request
	cancel context.CancelFunc
	ctx    context.Context // of expressions
	input  map[string]any  // for them
}

// values returns the request as expressions see it.
func (q *question) values() map[string]any {
	if q.input == nil {
		q.input = q.Request.values()
	}
	q.input["params"] = paramValues(q.Params)
	return q.input
}

// values returns the request as expressions see it.
func (r *Request) values() map[string]any {
	headers := make(map[string]any, len(r.Header))
	for name, list := range r.Header {
		headers[name] = strings.Join(list, ", ")
	}
	return map[string]any{
		"method": r.Method, "path": r.Path, "query": queryValues(r.Query), "headers": headers, "host": r.Host,
		"json": r.JSON, "body": strings.ToValidUTF8(string(r.Body), "\ufffd"), "params": paramValues(r.Params), "n": int(r.Number),
	}
}

func queryValues(list url.Values) map[string]any {
	values := make(map[string]any, len(list))
	for name, texts := range list {
		if len(texts) == 1 {
			values[name] = texts[0]
			continue
		}
		all := []any{}
		for _, text := range texts {
			all = append(all, text)
		}
		values[name] = all
	}
	return values
}

func paramValues(params map[string]string) map[string]any {
	values := make(map[string]any, len(params))
	for name, text := range params {
		values[name] = text
	}
	return values
}

// context returns that of expressions.
func (q *question) context(parent context.Context) context.Context {
	if q.ctx == nil {
		q.ctx, q.cancel = context.WithTimeout(parent, maxJQ)
	}
	return q.ctx
}

// end frees the resources of expressions.
func (q *question) end() {
	if q.cancel != nil {
		q.cancel()
	}
}

// matches reports whether a request fits. Names in the path are then those of this
// match.
func (c *matcher) matches(ctx context.Context, q *question) bool {
	if !c.hasMethod(q.Method) || c.path != nil && !c.path.Match(q.Path) {
		return false
	}
	for i := range c.query {
		if !c.query[i].matches(q.Query[c.query[i].name]) {
			return false
		}
	}
	for i := range c.header {
		if !c.header[i].matches(q.Header[c.header[i].name]) {
			return false
		}
	}
	if c.json != nil {
		if q.JSON == nil {
			return false
		}
		if _, _, differs := difference("", q.JSON, c.json); differs {
			return false
		}
	}
	if c.body != nil && !c.body.fits(string(q.Body)) {
		return false
	}
	q.Params = c.params(q.Path)
	if c.code == nil {
		return true
	}
	result, err := c.code.First(q.context(ctx), q.values())
	return err == nil && result != nil && result != false
}

func (c *matcher) hasMethod(method string) bool {
	return c.Method == "" || c.Method == method || c.Method == http.MethodGet && method == http.MethodHead
}

func (c *matcher) params(path string) map[string]string {
	if c.path == nil || c.path.Plain() != "" {
		return nil
	}
	return c.path.Params(path)
}

// difference finds where a value lacks what is wanted: the place as jq writes it, and
// both values there.
func difference(at string, got, want any) (place string, values [2]any, differs bool) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return cmp.Or(at, "."), [2]any{got, want}, true
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			member, has := object[name]
			if !has && want[name] != nil {
				return at + member1(name), [2]any{absent{}, want[name]}, true
			}
			if place, values, differs = difference(at+member1(name), member, want[name]); differs {
				return place, values, true
			}
		}
		return "", values, false
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return cmp.Or(at, "."), [2]any{got, want}, true
		}
		for i := range want {
			if place, values, differs = difference(at+"["+strconv.Itoa(i)+"]", list[i], want[i]); differs {
				return place, values, true
			}
		}
		return "", values, false
	}
	return cmp.Or(at, "."), [2]any{got, want}, !query.Equal(got, want)
}

// absent is the value of a member that is not there.
type absent struct{}

// member1 returns the step to a member of an object, as jq writes it.
func member1(name string) string {
	for i, c := range name {
		if c != '_' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') && (i == 0 || c < '0' || c > '9') {
			return "." + strconv.Quote(name)
		}
	}
	if name == "" {
		return `.""`
	}
	return "." + name
}

const maxShown = 200 // bytes of a value

func shown(value any, secrets *redact.Secrets) string {
	if value == (absent{}) {
		return "absent"
	}
	text, _ := query.Marshal(value)
	return httpx.Clip(secrets.Quoted(string(text)), maxShown)
}

// another stands for a value that is a secret.
const another = "another one"

// A miss is a part of a request that does not fit.
type miss struct {
	exchange.Difference
}

func (m miss) String() string {
	at := m.Part
	if m.Path != "" {
		at += " " + m.Path
	}
	return fmt.Sprintf("%s is %s, wanted %s", at, m.Request, m.Recording)
}

// differences returns why a request does not fit, without its secrets, and how near it
// is all the same.
func (c *matcher) differences(ctx context.Context, q *question, secrets *redact.Secrets) (list []miss, nearness int) {
	add := func(part, path, got, want string) {
		list = append(list, miss{exchange.Difference{Part: part, Path: path, Request: got, Recording: want}})
	}
	if c.path == nil || c.path.Match(q.Path) {
		nearness += 1000
	} else {
		add("path", "", q.Path, c.Path)
		same := 0
		for same < len(q.Path) && same < len(c.Path) && q.Path[same] == c.Path[same] {
			same++
		}
		nearness += min(20*same, 500)
	}
	if c.hasMethod(q.Method) {
		nearness += 50
	} else {
		add("method", "", q.Method, c.Method)
	}
	texts := func(part string, patterns []pattern, values map[string][]string) {
		for i := range patterns {
			p := &patterns[i]
			if p.matches(values[p.name]) {
				nearness += 10
				continue
			}
			got, want := "absent", "absent"
			if list := values[p.name]; len(list) > 0 {
				got = strconv.Quote(httpx.Clip(secrets.Quoted(strings.Join(list, ", ")), maxShown))
				if part == "header" && redact.RequestHeader(p.name, list[0]) != list[0] || part == "query" && redact.Name(p.name) {
					got = another
				}
			}
			if p.text != Absent {
				want = strconv.Quote(p.text)
			}
			add(part, p.name, got, want)
		}
	}
	texts("query", c.query, q.Query)
	texts("header", c.header, q.Header)
	if c.json != nil {
		switch place, values, differs := difference("", q.JSON, c.json); {
		case q.JSON == nil:
			add("body", "", "no JSON", "JSON")
		case differs && redact.InPath(place) && values[0] != (absent{}):
			add("json", place, another, shown(values[1], secrets))
		case differs:
			add("json", place, shown(values[0], secrets), shown(values[1], secrets))
		default:
			nearness += 20
		}
	}
	if c.body != nil && !c.body.fits(string(q.Body)) {
		add("body", "", strconv.Quote(httpx.Clip(secrets.Quoted(string(q.Body)), maxShown)), strconv.Quote(c.Body))
	}
	if c.code != nil && len(list) == 0 {
		q.Params = c.params(q.Path)
		switch result, err := c.code.First(q.context(ctx), q.values()); {
		case err != nil:
			add("jq", c.JQ, "an error ("+httpx.Clip(secrets.Message(errors.Unwrap(err).Error()), maxShown)+")", "true")
		case result == nil || result == false:
			add("jq", c.JQ, shown(result, secrets), "true")
		default:
			nearness += 20
		}
	}
	return list, nearness
}
