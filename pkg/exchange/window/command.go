package window

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hop are the headers that a client sets by itself, or that belong to one
// connection.
var hop = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// longestArgument is what Linux takes as one argument of a command, with room left.
const longestArgument = 120_000

// commands returns the request as a command for curl and as one for ssectl listen,
// quoted for a POSIX shell. Secrets are placeholders in it, as they are everywhere.
func commands(method, address string, header http.Header, body Body) (curl, listen string) {
	var arguments []string
	add := func(flag, value string) { arguments = append(arguments, flag+" "+Quote(value)) }
	hasBody := body.Size > 0
	switch {
	case method == http.MethodHead:
		arguments = append(arguments, "-I")
	case method == http.MethodGet && !hasBody, method == http.MethodPost && hasBody, method == "":
	default:
		add("-X", method)
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if slices.Contains(hop, name) {
			continue
		}
		for _, value := range header[name] {
			if value == "" {
				add("-H", name+";") // which curl sends without a value
				continue
			}
			add("-H", name+": "+value)
		}
	}
	if hasBody && header.Get("Content-Type") == "" {
		add("-H", "Content-Type:") // none, where curl would add one
	}
	before := ""
	switch {
	case !hasBody:
	case !body.Whole:
		before = fmt.Sprintf("# of the body of %d bytes, only the first %d are here\n", body.Size, len(body.Text))
		fallthrough
	case len(body.Text) <= longestArgument && !strings.ContainsRune(body.Text, 0):
		add("--data-raw", strings.ReplaceAll(body.Text, "\x00", ""))
	default:
		before += "printf " + octal(body.Text) + " | "
		arguments = append(arguments, "--data-binary @-")
	}
	// Brackets of a URL are patterns to curl, and so are braces.
	globs := ""
	if strings.ContainsAny(address, "[]{}") {
		globs = "-g "
	}
	line := strings.Join(append([]string{Quote(address)}, arguments...), " \\\n  ")
	return before + "curl -sSN " + globs + line, before + "ssectl listen " + line
}

// Quote returns a text as one word of a POSIX shell. A terminal may act on control
// characters that are pasted into it, even within quotes, so that they are written
// as escapes, and so are characters that are not to be seen.
func Quote(text string) string {
	var b strings.Builder
	plain := true // within single quotes
	b.WriteByte('\'')
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		char := text[:size]
		text = text[size:]
		visible := r == '\n' || unicode.IsPrint(r) && !(r == utf8.RuneError && size == 1)
		if visible != plain {
			if visible {
				b.WriteString(`')"'`)
			} else {
				b.WriteString(`'"$(printf '`)
			}
			plain = visible
		}
		switch {
		case !visible:
			octalBytes(&b, char)
		case r == '\'':
			b.WriteString(`'\''`)
		default:
			b.WriteString(char)
		}
	}
	if !plain {
		b.WriteString(`')"`)
		return b.String()
	}
	b.WriteByte('\'')
	return b.String()
}

// octal returns a text as the format of printf, with all bytes that are not plain
// as escapes.
func octal(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '%':
			b.WriteString("%%")
		case c < ' ' || c > '~' || c == '\'' || c == '\\':
			octalBytes(&b, text[i:i+1])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

func octalBytes(b *strings.Builder, text string) {
	for i := range len(text) {
		fmt.Fprintf(b, `\%03o`, text[i])
	}
}
