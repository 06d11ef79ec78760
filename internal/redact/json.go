package redact

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Members returns the values of the members of a JSON text whose names mean a secret,
// in that of a request or elsewhere: the text between the quotes of a string, or a
// number, also within arrays and objects. Other texts and broken ones are taken as far
// as they go.
func Members(text string, isRequest bool) (spans []Span) {
	depth, hidden := 0, 0 // of the outermost value that is secret as a whole
	name, plain := "", false
	add := func(from, to int, isSecret bool) {
		if (isSecret || hidden > 0 && !plain) && from < to && text[from:to] != Placeholder {
			spans = append(spans, Span{From: from, To: to, Begins: true})
		}
	}
	isSecret := func() bool { return name != "" && (Field(name) || isRequest && RequestField(name)) }
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			start := i + 1
			for i = start; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i = min(i, len(text))
			colon := i + 1
			for colon < len(text) && strings.IndexByte(" \t\r\n", text[colon]) >= 0 {
				colon++
			}
			if colon < len(text) && text[colon] == ':' {
				name = unquoted(text[start:i])
				plain = IsPlainMember(name)
				i = colon
				continue
			}
			add(start, i, isSecret())
		case c == '-' || '0' <= c && c <= '9':
			start := i
			for i+1 < len(text) && (isAlnum(text[i+1]) || strings.IndexByte(".+-", text[i+1]) >= 0) {
				i++
			}
			add(start, i+1, name != "" && Field(name)) // the token of a request may be a place
		case c == '{' || c == '[':
			if depth++; hidden == 0 && name != "" && Field(name) {
				hidden = depth
			}
			name, plain = "", false
		case c == '}' || c == ']':
			if depth == hidden {
				hidden = 0
			}
			depth = max(depth-1, 0)
			name, plain = "", false
		case c == ',':
			name, plain = "", false
		}
	}
	return spans
}

func unquoted(source string) string {
	var value string
	if strings.IndexByte(source, '\\') < 0 || json.Unmarshal([]byte(`"`+source+`"`), &value) != nil {
		return source
	}
	return value
}

// IsPlainMember reports whether a member of an object that is secret as a whole is no
// secret: those of a schema describe one.
func IsPlainMember(name string) bool {
	return name == "type" || name == "description" || name == "title" || name == "format"
}

// IsJSON reports whether a whole text may be an object or an array.
func IsJSON(text string) bool {
	text = strings.TrimSpace(text)
	return len(text) > 2 && (text[0] == '{' && text[len(text)-1] == '}' || text[0] == '[' && text[len(text)-1] == ']')
}

// partName finds a name also next to the raw bytes of a filename.
var partName = regexp.MustCompile(`(?i)\bname="?([^";]*)`)

// Parts returns the secrets in a form of several parts
// (https://www.rfc-editor.org/rfc/rfc7578), which begins with its boundary: the values
// of fields that are named for one, and those of members of JSON.
func Parts(text string) (spans []Span) {
	line, _, ok := strings.Cut(text, "\n")
	boundary := strings.TrimRight(line, "\r")
	if !ok || !strings.HasPrefix(boundary, "--") || len(boundary) < 3 {
		return nil
	}
	for at := len(line) + 1; at < len(text); {
		end := strings.Index(text[at:], "\n"+boundary)
		if end < 0 {
			end = len(text) - at // cut off
		}
		end += at
		from, name := at, ""
		for from < end { // lines of the head
			line, _, _ := strings.Cut(text[from:end], "\n")
			from = min(from+len(line)+1, end)
			if line = strings.TrimRight(line, "\r"); line == "" {
				break
			}
			field, value, _ := strings.Cut(line, ":")
			if strings.EqualFold(strings.TrimSpace(field), "Content-Disposition") {
				if match := partName.FindStringSubmatch(value); match != nil {
					name = match[1]
				}
			}
		}
		to := from + len(strings.TrimRight(text[from:end], "\r"))
		switch value := text[from:to]; {
		case value == "" || value == Placeholder:
		case Name(name) || RequestField(name):
			spans = append(spans, Span{From: from, To: to, Begins: true})
		case IsJSON(value):
			for _, span := range Members(value, true) {
				spans = append(spans, Span{From: from + span.From, To: from + span.To, Begins: true})
			}
		}
		next := strings.IndexByte(text[min(end+1, len(text)):], '\n')
		if next < 0 {
			break
		}
		at = end + 1 + next + 1
	}
	return spans
}
