package httpx

import "strings"

// IsToken reports whether a header can have the name
// (https://www.rfc-editor.org/rfc/rfc9110#name-tokens).
func IsToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// IsFieldValue reports whether a header can have the value: one that has no
// control character but tabs.
func IsFieldValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
