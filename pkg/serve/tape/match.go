package tape

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/exchange"
)

// A Part is a part of a request that is compared: "method", "path", "query",
// "body", or "header:" and a name.
type Part string

// The parts of a request.
const (
	PartMethod Part = "method"
	PartPath   Part = "path"
	PartQuery  Part = "query"
	PartBody   Part = "body"
)

// DefaultParts are the parts that are compared where nothing else is said.
func DefaultParts() []Part { return []Part{PartMethod, PartPath, PartQuery, PartBody} }

// ParseParts reads a list of parts with commas between them.
func ParseParts(text string) ([]Part, error) {
	var parts []Part
	for name := range strings.SplitSeq(text, ",") {
		part := Part(strings.TrimSpace(name))
		if err := part.check(); err != nil {
			return nil, err
		}
		if header := part.header(); header != "" {
			part = Part("header:" + header)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func (p Part) check() error {
	if slices.Contains(DefaultParts(), p) || httpx.IsToken(p.header()) {
		return nil
	}
	return fmt.Errorf("part %q of a request: want method, path, query, body or header:NAME", string(p))
}

// header returns the name of the header that the part is, "" for another part.
func (p Part) header() string {
	name, _ := strings.CutPrefix(string(p), "header:")
	if name == string(p) {
		return ""
	}
	return http.CanonicalHeaderKey(name)
}

// A key is a request as it is compared: the value of each part, as JSON with its
// names in order. A part that a recording does not have is absent.
type key struct {
	parts  map[Part]string
	body   any   // the value of JSON, for a list of differences
	size   int64 // of a body of which the text has the beginning
	text   string
	sum    [sha256.Size]byte
	large  bool // the body is compared by its text or its sum
	hasSum bool
	empty  bool // nothing is known of the request
}

// values returns the request as a value of JSON, which Options.Normalize sees.
func (r *Request) values() map[string]any {
	v := map[string]any{}
	if r.Method != "" {
		v["method"] = r.Method
	}
	if r.hasPath {
		v["path"] = r.Path
		query, _ := url.ParseQuery(r.Query)
		v["query"] = valuesOf(query)
	}
	headers := map[string]any{}
	for name, list := range r.Header {
		headers[name] = strings.Join(list, ", ")
	}
	v["headers"] = headers
	switch {
	case r.Body.large:
	case r.Body.JSON != nil:
		v["json"] = parseJSON(r.Body.JSON)
	case r.Body.Known:
		v["body"] = string(r.Body.Bytes)
	}
	return v
}

func valuesOf(query url.Values) map[string]any {
	v := map[string]any{}
	for name, list := range query {
		if len(list) == 1 {
			v[name] = list[0]
			continue
		}
		all := []any{}
		for _, one := range list {
			all = append(all, one)
		}
		v[name] = all
	}
	return v
}

// keyOf returns the key of a request.
func keyOf(r *Request, normalize func(map[string]any) (any, error)) (key, error) {
	values := r.values()
	if normalize != nil && (r.hasPath || r.Body.Known) {
		result, err := normalize(values)
		if err != nil {
			return key{}, err
		}
		object, ok := result.(map[string]any)
		if _, whole := object["headers"]; !ok || !whole {
			// It stands for the body.
			values["json"] = result
		} else {
			values = object
		}
	}
	k := key{parts: map[Part]string{}, size: r.Body.Size, text: unsafe.String(unsafe.SliceData(r.Body.Bytes), len(r.Body.Bytes))}
	for _, part := range []Part{PartMethod, PartPath, PartQuery} {
		if value, ok := values[string(part)]; ok && value != nil {
			k.parts[part] = canonical(value)
		}
	}
	if value, ok := values["json"]; ok {
		k.parts[PartBody], k.body = canonical(value), value
	} else if text, ok := values["body"]; ok && text != nil {
		k.parts[PartBody] = canonical(text)
		if s, ok := text.(string); ok {
			k.parts[PartBody] = s
		}
	} else if r.Body.large {
		k.large, k.hasSum, k.sum = true, true, r.Body.sum()
		k.parts[PartBody] = k.describe()
	}
	if headers, ok := values["headers"].(map[string]any); ok {
		for name, value := range headers {
			k.parts[Part("header:"+http.CanonicalHeaderKey(name))] = canonical(value)
		}
	}
	return k, nil
}

// parseJSON returns the value of valid JSON, with numbers as they are written.
func parseJSON(text []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	decoder.Decode(&value)
	return value
}

func sameJSON(a, b []byte) bool { return canonical(parseJSON(a)) == canonical(parseJSON(b)) }

// canonical returns a value of JSON as text that is the same for equal values.
func canonical(value any) string { return string(appendCanonical(nil, value)) }

func appendCanonical(dst []byte, value any) []byte {
	switch value := value.(type) {
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range slices.Sorted(maps.Keys(value)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(strconv.AppendQuote(dst, name), ':')
			dst = appendCanonical(dst, value[name])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, one := range value {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(dst, one)
		}
		return append(dst, ']')
	case json.Number:
		return append(dst, number(string(value))...)
	case string:
		return strconv.AppendQuote(dst, value)
	}
	text, err := json.Marshal(value) // numbers of jq, booleans, null
	if err != nil {
		return fmt.Append(dst, value)
	}
	return text2number(dst, text)
}

func text2number(dst, text []byte) []byte { return append(dst, number(string(text))...) }

// number returns the same text for numbers that are equal: 1, 1.0 and 1e0, of any size
// and precision. Other texts stay as they are.
func number(text string) string {
	digits, negative := strings.CutPrefix(text, "-")
	mantissa, power := digits, int64(0)
	if at := strings.IndexAny(digits, "eE"); at >= 0 {
		n, err := strconv.ParseInt(digits[at+1:], 10, 64)
		const most = 1 << 60
		if err != nil || n > most || n < -most {
			return text
		}
		mantissa, power = digits[:at], n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return text
	}
	// The value is 0.digits * 10^point.
	point := power + int64(len(whole))
	significant := strings.TrimLeft(digits, "0")
	point -= int64(len(digits) - len(significant))
	if significant = strings.TrimRight(significant, "0"); significant == "" {
		return "0"
	}
	sign := ""
	if negative {
		sign = "-"
	}
	n := int64(len(significant))
	const plain = 24 // digits that are written without an exponent
	switch {
	case 0 < point && point < n:
		return sign + significant[:point] + "." + significant[point:]
	case n <= point && point <= plain:
		return sign + significant + strings.Repeat("0", int(point-n))
	case -6 < point && point <= 0:
		return sign + "0." + strings.Repeat("0", int(-point)) + significant
	case n > 1:
		significant = significant[:1] + "." + significant[1:]
	}
	return fmt.Sprintf("%s%se%d", sign, significant, point-1)
}

// same reports whether a request matches a recording in a part.
func (k *key) same(recorded *key, part Part) bool {
	want, ok := recorded.parts[part]
	if !ok {
		// A recording has all its headers, if it has any request.
		return part.header() == "" || recorded.empty || k.parts[part] == ""
	}
	got, ok := k.parts[part]
	if part == PartBody && (k.large || recorded.large || recorded.size > 0) {
		return ok && k.sameText(recorded)
	}
	return ok && got == want
}

// A Difference is a part in which a request differs from a recording.
type Difference = exchange.Difference

const (
	maxDifferences = 5
	maxShown       = 200 // bytes of a value
	absent         = "absent"
)

// differences returns the differences of a request from a recording.
func (k *key) differences(recorded *key, parts []Part) (list []Difference) {
	for _, part := range parts {
		if k.same(recorded, part) {
			continue
		}
		if part == PartBody && k.body != nil && recorded.body != nil {
			list = appendDifferences(list, "", k.body, recorded.body)
			continue
		}
		shown := func(k *key) string {
			if value, ok := k.parts[part]; ok {
				if part == PartBody && k.body == nil {
					return httpx.Clip(strconv.Quote(value), maxShown)
				}
				return httpx.Clip(value, maxShown)
			}
			return absent
		}
		list = append(list, Difference{Part: string(part), Request: shown(k), Recording: shown(recorded)})
	}
	return list
}

// appendDifferences appends where two values of JSON differ.
func appendDifferences(list []Difference, path string, got, want any) []Difference {
	if len(list) >= maxDifferences {
		return list
	}
	gotObject, isObject := got.(map[string]any)
	wantObject, wasObject := want.(map[string]any)
	if isObject && wasObject {
		names := slices.Sorted(maps.Keys(gotObject))
		for name := range wantObject {
			if _, ok := gotObject[name]; !ok {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			at := path + "." + name
			if !isWordName(name) {
				at = path + "[" + strconv.Quote(name) + "]"
			}
			list = appendMember(list, at, gotObject, wantObject, name)
		}
		return list
	}
	gotList, isList := got.([]any)
	wantList, wasList := want.([]any)
	if isList && wasList {
		for i := range max(len(gotList), len(wantList)) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= len(gotList):
				list = appendDifference(list, at, absent, show(wantList[i]))
			case i >= len(wantList):
				list = appendDifference(list, at, show(gotList[i]), absent)
			default:
				list = appendDifferences(list, at, gotList[i], wantList[i])
			}
		}
		return list
	}
	if canonical(got) == canonical(want) {
		return list
	}
	return appendDifference(list, path, show(got), show(want))
}

func appendMember(list []Difference, at string, got, want map[string]any, name string) []Difference {
	g, is := got[name]
	w, was := want[name]
	switch {
	case !is:
		return appendDifference(list, at, absent, show(w))
	case !was:
		return appendDifference(list, at, show(g), absent)
	}
	return appendDifferences(list, at, g, w)
}

func appendDifference(list []Difference, path, got, want string) []Difference {
	if len(list) >= maxDifferences {
		return list
	}
	if path == "" {
		path = "."
	}
	return append(list, Difference{Part: string(PartBody), Path: path, Request: got, Recording: want})
}

func show(value any) string { return httpx.Clip(canonical(value), maxShown) }

func isWordName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r >= 0x80 || !isAlnum(byte(r)))
	})
}

// nearness orders recordings by how near they are to a request.
func (k *key) nearness(recorded *key, parts []Part) (score int) {
	for _, part := range parts {
		if k.same(recorded, part) {
			score += map[Part]int{PartPath: 1000, PartMethod: 100, PartQuery: 20, PartBody: 20}[part] + 1
			continue
		}
		switch part {
		case PartPath:
			got, want := k.parts[part], recorded.parts[part]
			n := 0
			for n < len(got) && n < len(want) && got[n] == want[n] {
				n++
			}
			score += min(n, 500)
		case PartBody:
			score += 10 - len(k.differences(recorded, []Part{part}))
		}
	}
	return score
}
