package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/ssectl/ssectl/internal/query"
	"github.com/ssectl/ssectl/pkg/record"
)

// A node is a value in a file, with its place. Members of an object keep their order,
// and numbers are as they were written.
type node struct {
	kind         kind
	text         string // of a text, a number or a boolean
	keys         []*node
	list         []*node // the values of an object or a list
	line, column int

	code *query.Query // whose result the value is; nil for any other value
}

type kind int

const (
	isNull kind = iota
	isBool
	isNumber
	isText
	isList
	isObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "text", "a list", "an object"}[k]
}

// member returns the value of a member of an object, nil if there is none.
func (n *node) member(name string) *node {
	for i, key := range n.keys {
		if key.text == name {
			return n.list[i]
		}
	}
	return nil
}

const (
	maxDepth   = 1000    // of values in a file
	maxAliased = 100_000 // values that aliases stand for, in a file
)

// A placeError is the error of a place in a file.
type placeError struct {
	line, column int
	err          error
}

func (e *placeError) Error() string { return e.err.Error() }

func (n *node) errorf(format string, args ...any) error {
	return &placeError{n.line, n.column, fmt.Errorf(format, args...)}
}

// checkUTF8 returns the error of a text that is not UTF-8. JSON would be taken with other
// characters in its place.
func checkUTF8(text []byte) error {
	line, start := 1, 0
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && size == 1 {
			return &placeError{line, i - start + 1, errors.New("the text is not UTF-8")}
		}
		if i += size; c == '\n' {
			line, start = line+1, i
		}
	}
	return nil
}

// parseJSON returns the value of a JSON text. YAML could not be read in its place: it
// has no escapes of halves of characters.
func parseJSON(text []byte) ([]*node, error) {
	p := jsonParser{text: text, line: 1, decoder: json.NewDecoder(bytes.NewReader(text))}
	p.decoder.UseNumber()
	n, err := p.value(0)
	if err == nil {
		if _, after := p.decoder.Token(); after != io.EOF {
			err = errors.New("there is more after the value")
		}
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the JSON has no end")
	}
	var placed *placeError
	if err != nil && !errors.As(err, &placed) {
		at := p.place(p.decoder.InputOffset())
		err = at.errorf("%w", err)
	}
	if err != nil {
		return nil, err
	}
	return []*node{n}, nil
}

type jsonParser struct {
	text    []byte
	decoder *json.Decoder

	line, start, at int // the place up to which lines were counted
}

// place returns a node at the next value after an offset.
func (p *jsonParser) place(offset int64) *node {
	end := min(int(offset), len(p.text))
	for end < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[end]) >= 0 {
		end++
	}
	for ; p.at < end; p.at++ {
		if p.text[p.at] == '\n' {
			p.line++
			p.start = p.at + 1
		}
	}
	return &node{line: p.line, column: end - p.start + 1}
}

func (p *jsonParser) value(depth int) (*node, error) {
	n := p.place(p.decoder.InputOffset())
	if depth > maxDepth {
		return nil, n.errorf("values are nested more than %d deep", maxDepth)
	}
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case nil:
	case bool:
		n.kind, n.text = isBool, fmt.Sprint(token)
	case json.Number:
		n.kind, n.text = isNumber, string(token)
	case string:
		n.kind, n.text = isText, token
	case json.Delim:
		n.kind = isList
		if token == '{' {
			n.kind = isObject
		}
		for p.decoder.More() {
			if n.kind == isObject {
				key, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.keys = append(n.keys, key)
			}
			value, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, value)
		}
		if _, err := p.decoder.Token(); err != nil {
			return nil, err
		}
	}
	return n, n.checkKeys()
}

// checkKeys returns the error of a member that comes twice.
func (n *node) checkKeys() error {
	if len(n.keys) < 2 {
		return nil
	}
	seen := make(map[string]bool, len(n.keys))
	for _, key := range n.keys {
		if seen[key.text] {
			return key.errorf("%q comes twice in one object", key.text)
		}
		seen[key.text] = true
	}
	return nil
}

// parseYAML returns the values of the documents of a YAML text.
func parseYAML(text []byte) (list []*node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	p := yamlParser{}
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case err == io.EOF:
			return list, nil
		case err != nil:
			return nil, yamlError(err)
		}
		n, err := p.value(&document, 0, false)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

// yamlError returns an error of package yaml with its line.
func yamlError(err error) error {
	if strings.HasSuffix(err.Error(), "did not find expected ',' or '}'") {
		err = fmt.Errorf("%w (within braces, a text with {, }, [, ] or a comma needs quotes, as a path with {name} does)", err)
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		placed := &placeError{err: errors.New(m[2])}
		fmt.Sscan(m[1], &placed.line)
		return placed
	}
	return &placeError{line: 1, err: errors.New(strings.TrimPrefix(err.Error(), "yaml: "))} // it names no first line
}

type yamlParser struct {
	aliased int
}

// value returns the value of a node of package yaml.
func (p *yamlParser) value(y *yaml.Node, depth int, aliased bool) (*node, error) {
	n := &node{line: y.Line, column: y.Column}
	if depth > maxDepth {
		return nil, n.errorf("values are nested more than %d deep", maxDepth)
	}
	if aliased {
		if p.aliased++; p.aliased > maxAliased {
			return nil, n.errorf("aliases stand for more than %d values", maxAliased)
		}
	}
	switch y.Kind {
	case yaml.DocumentNode:
		return p.value(y.Content[0], depth, aliased)
	case yaml.AliasNode:
		return p.value(y.Alias, depth+1, true)
	case yaml.ScalarNode:
		n.kind, n.text = scalar(y)
		return n, nil
	case yaml.SequenceNode:
		n.kind = isList
	case yaml.MappingNode:
		n.kind = isObject
	}
	for i, content := range y.Content {
		isKey := n.kind == isObject && i%2 == 0
		if isKey && content.Kind == yaml.AliasNode {
			content = content.Alias
		}
		value, err := p.value(content, depth+1, aliased)
		switch {
		case err != nil:
			return nil, err
		case isKey && content.Kind != yaml.ScalarNode:
			return nil, value.errorf("the name of a member is %s, want text", value.kind)
		case isKey && content.ShortTag() == "!!merge":
			return nil, value.errorf(`"<<" is not read: an alias stands for a whole value`)
		case isKey:
			value.kind, value.text = isText, content.Value
			n.keys = append(n.keys, value)
		default:
			n.list = append(n.list, value)
		}
	}
	return n, n.checkKeys()
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// scalar returns a value without parts. Only what JSON takes for a number is one, so
// that 007, 1_000, 12:30 and 2026-11-24 stay texts, as yes and no do.
func scalar(y *yaml.Node) (kind, string) {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if y.Style&quoted != 0 || y.Style&yaml.TaggedStyle != 0 && y.ShortTag() == "!!str" {
		return isText, y.Value
	}
	switch y.Value {
	case "", "~", "null", "Null", "NULL":
		return isNull, ""
	case "true", "True", "TRUE":
		return isBool, "true"
	case "false", "False", "FALSE":
		return isBool, "false"
	}
	if jsonNumber.MatchString(y.Value) {
		return isNumber, y.Value
	}
	return isText, y.Value
}

// compile makes expressions of the values {jq: EXPRESSION} in a value, and reports
// whether there are any.
func (n *node) compile() (found bool, err error) {
	if n.kind == isObject && len(n.keys) == 1 && n.keys[0].text == "jq" && n.list[0].kind == isText {
		if n.code, err = query.Compile(n.list[0].text); err != nil {
			return false, n.list[0].errorf("%w", err)
		}
		return true, nil
	}
	for _, value := range n.list {
		has, err := value.compile()
		if err != nil {
			return false, err
		}
		found = found || has
	}
	return found, nil
}

// An environment is what expressions see: a request.
type environment struct {
	ctx   context.Context
	input map[string]any
}

// appendJSON appends a value as JSON. It has none where an expression has no result.
func (n *node) appendJSON(dst []byte, e *environment) (text []byte, ok bool, err error) {
	if n.code != nil {
		result, ok, err := n.code.Result(e.ctx, e.input)
		if err != nil || !ok {
			return dst, false, err
		}
		text, err := query.Marshal(result)
		return append(dst, text...), true, err
	}
	switch n.kind {
	case isNull:
		return append(dst, "null"...), true, nil
	case isText:
		return record.AppendString(dst, []byte(n.text)), true, nil
	case isList, isObject:
		open, end := byte('['), byte(']')
		if n.kind == isObject {
			open, end = '{', '}'
		}
		dst = append(dst, open)
		begun := false
		for i, value := range n.list {
			before := len(dst)
			if begun {
				dst = append(dst, ',')
			}
			if n.kind == isObject {
				dst = append(record.AppendString(dst, []byte(n.keys[i].text)), ':')
			}
			if dst, ok, err = value.appendJSON(dst, e); err != nil {
				return dst, false, err
			}
			if !ok {
				dst = dst[:before]
				continue
			}
			begun = true
		}
		return append(dst, end), true, nil
	}
	return append(dst, n.text...), true, nil
}

// value returns the value as expressions have it.
func (n *node) value() any {
	switch n.kind {
	case isBool:
		return n.text == "true"
	case isNumber:
		return json.Number(n.text)
	case isText:
		return n.text
	case isList:
		list := make([]any, 0, len(n.list))
		for _, value := range n.list {
			list = append(list, value.value())
		}
		return list
	case isObject:
		object := make(map[string]any, len(n.list))
		for i, value := range n.list {
			object[n.keys[i].text] = value.value()
		}
		return object
	}
	return nil
}

// string returns the value as text: a text as it is, and any other value as JSON. It
// has none where it is null or an expression has no result.
func (n *node) string(e *environment) (text string, ok bool, err error) {
	if n.code != nil {
		result, ok, err := n.code.Result(e.ctx, e.input)
		if err != nil || !ok || result == nil {
			return "", false, err
		}
		if text, isText := result.(string); isText {
			return text, true, nil
		}
		json, err := query.Marshal(result)
		return string(json), true, err
	}
	switch n.kind {
	case isNull:
		return "", false, nil
	case isText, isNumber, isBool:
		return n.text, true, nil
	}
	json, ok, err := n.appendJSON(nil, e)
	return string(json), ok, err
}
