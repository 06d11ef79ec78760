package tape

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
)

// A Request is the request that a recording answers. In one that was written by
// hand, absent parts match everything.
type Request struct {
	Method string // "" for any
	Path   string // without the query; "" for any
	Query  string
	Header http.Header
	Body   Body

	hasPath bool
}

// A Response is the head of a recorded answer, and its body if that is no event
// stream.
type Response struct {
	Status int // 200 if it is absent
	Header http.Header
	Body   Body
}

// A Body is a body on the tape.
type Body struct {
	// JSON is its value, as compact text; nil if it is not JSON.
	JSON []byte
	// Bytes are the exact bytes.
	Bytes []byte
	// Size is the size of a body of which Bytes is the beginning; else zero.
	Size int64
	// Known is false where the tape has no body.
	Known bool

	large bool // compared by its text
}

// bodyOf returns a whole body, or the beginning of one of size bytes.
func bodyOf(text []byte, size int64) Body {
	b := Body{Bytes: text, Known: true}
	if size > int64(len(text)) {
		b.Size = size
		return b
	}
	b.JSON = compactJSON(text)
	return b
}

// compactJSON returns the compact form of a JSON text that can be kept as it is,
// nil for other texts.
func compactJSON(text []byte) []byte {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return nil
	}
	return printable(compact.Bytes())
}

// printable escapes the control characters that JSON allows in strings.
func printable(text []byte) []byte {
	if !bytes.ContainsFunc(text, isControl) {
		return text
	}
	var clean []byte
	for _, r := range string(text) {
		if isControl(r) {
			clean = fmt.Appendf(clean, `\u%04x`, r)
		} else {
			clean = utf8.AppendRune(clean, r)
		}
	}
	return clean
}

func isControl(r rune) bool { return 0x7f <= r && r <= 0x9f || r == '\u2028' || r == '\u2029' }

// layouts are the forms of JSON that most servers send.
var layouts = []struct {
	indent  string
	newline bool
}{{"", false}, {"", true}, {"  ", false}, {"  ", true}, {"    ", false}, {"    ", true}, {"\t", false}, {"\t", true}}

// layout returns compact JSON in one of the forms.
func layout(compact []byte, indent string, newline bool) []byte {
	var b bytes.Buffer
	if indent == "" {
		b.Write(compact)
	} else if json.Indent(&b, compact, "", indent) != nil {
		return compact
	}
	if newline {
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// appendTo appends the members for the body, each with a comma before it. Only an
// exact one can be sent as it was.
func (b *Body) appendTo(dst []byte, exact bool) []byte {
	if !b.Known {
		return dst
	}
	if b.JSON != nil {
		dst = append(append(dst, `,"json":`...), b.JSON...)
		if !exact {
			return dst
		}
		for _, form := range layouts {
			if bytes.Equal(layout(b.JSON, form.indent, form.newline), b.Bytes) {
				if form.indent != "" {
					dst = append(dst, `,"indent":`...)
					dst = record.AppendString(dst, []byte(form.indent))
				}
				if form.newline {
					dst = append(dst, `,"newline":true`...)
				}
				return dst
			}
		}
	}
	dst = appendBytes(append(dst, ','), b.Bytes)
	if b.Size > 0 {
		dst = strconv.AppendInt(append(dst, `,"size":`...), b.Size, 10)
	}
	return dst
}

// appendBytes appends bytes as a member of an object.
func appendBytes(dst, bytes []byte) []byte {
	if utf8.Valid(bytes) {
		return record.AppendString(append(dst, `"body":`...), bytes)
	}
	dst = append(dst, `"body_b64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, bytes), '"')
}

// A bodyLine has the members for a body.
type bodyLine struct {
	JSON    json.RawMessage `json:"json"`
	Indent  string          `json:"indent"`
	Newline bool            `json:"newline"`
	Text    *string         `json:"body"`
	Base64  *string         `json:"body_b64"`
	Size    int64           `json:"size"`
}

func (l *bodyLine) body() (b Body, err error) {
	var text []byte
	switch {
	case l.Base64 != nil:
		if text, err = base64.StdEncoding.DecodeString(*l.Base64); err != nil {
			return b, fmt.Errorf("body_b64: %w", err)
		}
	case l.Text != nil:
		text = []byte(*l.Text)
	case l.JSON == nil:
		return b, nil
	}
	if b = bodyOf(text, l.Size); l.JSON == nil {
		return b, nil
	}
	value := compactJSON(l.JSON)
	if text != nil && b.JSON != nil && sameJSON(b.JSON, value) {
		return b, nil
	}
	// Somebody edited the value, or it stands alone.
	if strings := bytes.Trim([]byte(l.Indent), " \t"); len(strings) > 0 || len(l.Indent) > 16 {
		return b, errors.New("indent: want blanks")
	}
	return Body{JSON: value, Bytes: layout(value, l.Indent, l.Newline), Known: true}, nil
}

// headerLine is a header: a value for each name, or a list of them.
type headerLine map[string]json.RawMessage

// A headerValue is a string, or an object with the base64 of bytes that are not UTF-8.
type headerValue string

func (v *headerValue) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(v))
	}
	var coded struct {
		Bytes *[]byte `json:"b64"`
	}
	if err := json.Unmarshal(text, &coded); err != nil {
		return err
	}
	if coded.Bytes == nil {
		return errors.New("no b64")
	}
	*v = headerValue(*coded.Bytes)
	return nil
}

func (l headerLine) header() (http.Header, error) {
	if l == nil {
		return nil, nil
	}
	header := http.Header{}
	for name, value := range l {
		var list []headerValue
		if json.Unmarshal(value, &list) != nil {
			list = []headerValue{""}
			if json.Unmarshal(value, &list[0]) != nil {
				return nil, fmt.Errorf("headers: %q: want a string, an object with b64, or a list of these", name)
			}
		}
		values := []string{}
		for _, v := range list {
			values = append(values, string(v))
		}
		header[http.CanonicalHeaderKey(name)] = values
	}
	return header, nil
}

func appendValue(dst []byte, value string) []byte {
	if utf8.ValidString(value) {
		return record.AppendString(dst, []byte(value))
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `{"b64":"`...), []byte(value))
	return append(dst, `"}`...)
}

func appendHeader(dst []byte, header http.Header) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(header)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(record.AppendString(dst, []byte(name)), ':')
		values := header[name]
		if len(values) == 1 {
			dst = appendValue(dst, values[0])
			continue
		}
		dst = append(dst, '[')
		for j, value := range values {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, value)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendTo appends the request as JSON.
func (r *Request) appendTo(dst []byte) []byte {
	dst = append(dst, `{"method":`...)
	dst = record.AppendString(dst, []byte(r.Method))
	dst = append(dst, `,"path":`...)
	path := r.Path
	if r.Query != "" {
		path += "?" + r.Query
	}
	dst = record.AppendString(dst, []byte(path))
	if len(r.Header) > 0 {
		dst = appendHeader(append(dst, `,"headers":`...), r.Header)
	}
	return append(r.Body.appendTo(dst, false), '}')
}

// appendTo appends the response as JSON.
func (r *Response) appendTo(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"status":`...), int64(r.Status), 10)
	if len(r.Header) > 0 {
		dst = appendHeader(append(dst, `,"headers":`...), r.Header)
	}
	return append(r.Body.appendTo(dst, true), '}')
}

// unknown is how an exchange ended whose recording was cut: the recorder was
// killed.
const unknown exchange.How = "unknown"

// An ending is how a recorded answer ended.
type ending struct {
	How     exchange.How
	Note    string // why the tape has not all of it
	Events  int64
	Bytes   int64
	Trailer http.Header
}

// appendTo appends the ending as JSON.
func (e *ending) appendTo(dst []byte) []byte {
	dst = append(dst, `{"how":`...)
	dst = record.AppendString(dst, []byte(e.How))
	if e.Note != "" {
		dst = append(dst, `,"note":`...)
		dst = record.AppendString(dst, []byte(e.Note))
	}
	if e.Events > 0 {
		dst = strconv.AppendInt(append(dst, `,"events":`...), e.Events, 10)
	}
	if e.Bytes > 0 {
		dst = strconv.AppendInt(append(dst, `,"bytes":`...), e.Bytes, 10)
	}
	if len(e.Trailer) > 0 {
		dst = appendHeader(append(dst, `,"trailers":`...), e.Trailer)
	}
	return append(dst, '}')
}

// A metaLine is the meta object of a line.
type metaLine struct {
	Request *struct {
		Method  string     `json:"method"`
		Path    *string    `json:"path"`
		Headers headerLine `json:"headers"`
		bodyLine
	} `json:"request"`
	Response *struct {
		Status  int        `json:"status"`
		Headers headerLine `json:"headers"`
		bodyLine
	} `json:"response"`
	End *struct {
		How      string     `json:"how"`
		Note     string     `json:"note"`
		Trailers headerLine `json:"trailers"`
	} `json:"end"`
	Dropped json.RawMessage `json:"dropped"` // of a recording of listen

	// A piece of a body that came in pieces.
	Body       *string `json:"body"`
	BodyBase64 *string `json:"body_b64"`
}

// meta is the content of a meta line.
type meta struct {
	request  *Request
	response *Response
	end      *ending
	piece    []byte // not nil for a piece of the body
}

// parseMeta reads the meta object of a line.
func parseMeta(text []byte) (m meta, err error) {
	var line metaLine
	if err := json.Unmarshal(text, &line); err != nil {
		return m, fmt.Errorf("meta: %w", err)
	}
	if l := line.Request; l != nil {
		m.request = &Request{Method: l.Method, hasPath: l.Path != nil}
		if l.Path != nil {
			m.request.Path, m.request.Query, _ = cut(*l.Path)
		}
		if m.request.Header, err = l.Headers.header(); err == nil {
			m.request.Body, err = l.body()
		}
		if err != nil {
			return m, fmt.Errorf("meta: request: %w", err)
		}
	}
	if l := line.Response; l != nil {
		m.response = &Response{Status: l.Status}
		if l.Status == 0 {
			m.response.Status = http.StatusOK
		}
		if m.response.Header, err = l.Headers.header(); err == nil {
			m.response.Body, err = l.body()
		}
		switch {
		case err != nil:
		case m.response.Status < 200 || m.response.Status > 999:
			err = fmt.Errorf("status %d: want 200 to 999", m.response.Status)
		default:
			err = checkHeader(m.response.Header)
		}
		if err != nil {
			return m, fmt.Errorf("meta: response: %w", err)
		}
	}
	if l := line.End; l != nil {
		m.end = &ending{How: exchange.How(l.How), Note: l.Note}
		if m.end.Trailer, err = l.Trailers.header(); err == nil {
			err = checkHeader(m.end.Trailer)
		}
		if err == nil && !slices.Contains(hows, m.end.How) {
			err = fmt.Errorf("how %q: want one of %q", l.How, hows)
		}
		if err != nil {
			return m, fmt.Errorf("meta: end: %w", err)
		}
	}
	switch {
	case line.Body != nil:
		m.piece = []byte(*line.Body)
	case line.BodyBase64 != nil:
		if m.piece, err = base64.StdEncoding.DecodeString(*line.BodyBase64); err != nil {
			return m, fmt.Errorf("meta: body_b64: %w", err)
		}
	}
	if line.Dropped != nil {
		m.end = &ending{How: exchange.Truncated}
	}
	return m, nil
}

var hows = []exchange.How{
	exchange.Whole, exchange.Truncated, exchange.Reset, exchange.ClientLeft, exchange.TimedOut, exchange.Refused,
	exchange.Fault, exchange.Stopped, unknown,
}
