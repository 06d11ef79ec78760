package chart

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
)

var (
	//go:embed page.css
	style string

	//go:embed page.js
	script string

	//go:embed page.html
	markup string

	templates = template.Must(template.New("").Parse(markup))
)

// WritePage writes a page as one file. Its policy allows no request, and no style and
// script but those of this package. The body is markup, as [html/template] makes it.
func WritePage(w io.Writer, title string, body template.HTML) error {
	return templates.ExecuteTemplate(w, "page", map[string]any{
		"Title": title, "Body": body, "Style": template.CSS(style), "Script": template.JS(script),
		"Policy": "default-src 'none'; style-src " + source(style) + "; script-src " + source(script) + "; base-uri 'none'; form-action 'none'",
	})
}

// source returns the hash by which a policy knows a text
// (https://www.w3.org/TR/CSP3/#grammardef-hash-source).
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
