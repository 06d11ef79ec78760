package httpx

import (
	"net/http"
	"regexp"
	"strings"
)

// A boolean is an item of structured fields with the parameters that may follow it
// (https://www.rfc-editor.org/rfc/rfc9651#section-3.3.6).
var boolean = regexp.MustCompile(`^ *\?([01])(?:; *[a-z*][a-z0-9_\-.*]*(?:=(?:` +
	`\?[01]|@?-?[0-9]{1,15}(?:\.[0-9]{1,3})?|:[A-Za-z0-9+/=]*:|%?"(?:[ !#-\[\]-~]|\\["\\])*"|[A-Za-z*][!#$%&'*+\-.^_|~0-9A-Za-z:/` + "`" + `]*))?)* *$`)

// Boolean returns the value of a header that is a boolean of structured fields.
// Any other value is not ok; clients have to ignore it, as they do one that
// comes twice.
func Boolean(header http.Header, name string) (value, ok bool) {
	m := boolean.FindStringSubmatch(strings.Join(header.Values(name), ", "))
	if m == nil {
		return false, false
	}
	return m[1] == "1", true
}
