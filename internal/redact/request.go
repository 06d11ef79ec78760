package redact

import (
	"strconv"
	"strings"
)

// Body remembers the secrets in the body of a request: in a form, a form of several
// parts, or JSON.
func (s *Secrets) Body(text string) {
	if strings.Contains(text, "=") && !strings.ContainsAny(text, "{}[]\"\r\n ") {
		s.Query(text)
		return
	}
	for _, span := range Parts(text) {
		s.Add(text[span.From:span.To])
	}
	for _, span := range Members(text, true) {
		value := text[span.From:span.To]
		s.Add(value)
		s.Add(unquoted(value))
	}
}

// Quoted returns a value of a request, as a message quotes it, without secrets: those
// that are known, and members of JSON and parameters of a form that are named for one.
func (s *Secrets) Quoted(text string) string {
	text = Replace(text, Members(text, true))
	if strings.Contains(text, "=") && !strings.ContainsAny(text, "{}[]\"\r\n ") {
		text = s.Query(text)
	}
	return s.Message(text)
}

// Message returns a message without known secrets, nor the beginnings of them that it
// cut short with three dots.
func (s *Secrets) Message(text string) string {
	for _, dots := range []string{" ...", "...", "…"} {
		parts := strings.Split(text, dots)
		for i, part := range parts {
			parts[i] = s.Clean(part)
		}
		text = strings.Join(parts, dots)
	}
	return text
}

// InPath reports whether a place within JSON, as jq writes it, is that of a secret of
// a request.
func InPath(place string) bool {
	for name := range strings.FieldsFuncSeq(place, func(r rune) bool { return strings.ContainsRune(`.[]`, r) }) {
		if plain, err := strconv.Unquote(name); err == nil {
			name = plain
		}
		if RequestField(name) {
			return true
		}
	}
	return false
}
