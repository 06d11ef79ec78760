package httpx

import "strings"

// IsHeaderName reports whether a header can have the name
// (https://www.rfc-editor.org/rfc/rfc9110#name-tokens).
func IsHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// IsHeaderValue reports whether a header can have the value: one that has no
// control character but tabs.
func IsHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
