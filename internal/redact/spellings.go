package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

var (
	escape = regexp.MustCompile(`%[0-9A-F]{2}`)

	// component makes encodeURIComponent of JavaScript of a [url.QueryEscape].
	component = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
)

// spellings returns the ways in which texts may have a value, the value itself first:
// in a URL, in JSON, and in base64. Most are the same.
func spellings(value string) []string {
	list := []string{value}
	for _, escaped := range []string{url.QueryEscape(value), url.PathEscape(value), component.Replace(url.QueryEscape(value))} {
		list = append(list, escaped, escape.ReplaceAllStringFunc(escaped, strings.ToLower))
	}
	quoted, _ := json.Marshal(value) // of a string
	list = append(list, string(quoted[1:len(quoted)-1]))
	var plain bytes.Buffer // as languages write it that do not think of HTML
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	encoder.Encode(value)
	list = append(list, strings.TrimSuffix(strings.TrimPrefix(plain.String(), `"`), "\"\n"))
	// Without the last bytes, whose letters depend on the text after the value.
	whole := value[:len(value)/3*3]
	return append(list, base64.StdEncoding.EncodeToString([]byte(whole)), base64.URLEncoding.EncodeToString([]byte(whole)))
}
