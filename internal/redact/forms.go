package redact

import (
	"slices"
	"strings"
)

// A form is the form of a kind of secrets.
type form struct {
	prefix   string
	class    func(byte) bool // the bytes that follow; nil if it has a certain length
	least    int             // of them
	cut      int             // so many of them, where a text is cut, are taken for the beginning of one
	mixed    bool            // wants a digit or a capital among them, as a word of prose has none
	boundary bool            // no letter or digit before it
	joined   bool            // nor a dash or dot
	ends     string          // goes on to here, then to five dashes

	// match reports whether a text begins with one: its length, of which the
	// first skip bytes may be shown.
	match func(f *form, text string) (skip, n int, v verdict)
}

type verdict int

const (
	none verdict = iota
	partial
	match
)

// forms are those of keys that their issuers made recognizable, mostly so that
// scanners for leaked keys find them.
var forms = []form{
	key("sk-", isToken, 20, 8),                                                                                                       // OpenAI, Anthropic, OpenRouter, DeepSeek, LiteLLM
	key("sk_live_", isAlnum, 16, 2), key("sk_test_", isAlnum, 16, 2), key("rk_live_", isAlnum, 16, 2), key("whsec_", isToken, 16, 2), // Stripe
	key("sess-", isToken, 24, 12), key("ek_", isToken, 24, 12), // OpenAI, of a session
	key("AIza", isToken, 30, 4), key("ya29.", isToken, 20, 4), key("GOCSPX-", isToken, 20, 2), // Google
	key("ghp_", isAlnum, 30, 2), key("gho_", isAlnum, 30, 2), key("ghu_", isAlnum, 30, 2), key("ghs_", isAlnum, 30, 2), key("ghr_", isAlnum, 30, 2), key("github_pat_", isWord, 30, 2), // GitHub
	key("glpat-", isToken, 20, 2),                                                                                                                                                                                    // GitLab
	key("xoxb-", isToken, 10, 2), key("xoxp-", isToken, 10, 2), key("xoxa-", isToken, 10, 2), key("xoxr-", isToken, 10, 2), key("xoxs-", isToken, 10, 2), key("xoxe-", isToken, 10, 2), key("xapp-", isToken, 10, 2), // Slack
	key("AKIA", isUpperAlnum, 16, 4), key("ASIA", isUpperAlnum, 16, 4), // AWS
	key("hf_", isAlnum, 30, 4), key("gsk_", isAlnum, 30, 4), key("r8_", isAlnum, 30, 4), key("pplx-", isAlnum, 30, 4), key("xai-", isAlnum, 30, 4), key("nvapi-", isToken, 30, 4), key("tvly-", isToken, 20, 4), // models and their tools
	key("npm_", isAlnum, 30, 4), key("pypi-AgEI", isToken, 30, 4), key("dckr_pat_", isToken, 20, 2), key("shpat_", isAlnum, 20, 2), key("lin_api_", isAlnum, 20, 2), key("dop_v1_", isAlnum, 30, 2),
	key("SG.", func(c byte) bool { return isToken(c) || c == '.' }, 40, 8),                // SendGrid
	{prefix: "eyJ", class: isJWT, cut: 16, boundary: true, joined: true, match: matchJWT}, // https://www.rfc-editor.org/rfc/rfc7519
	{prefix: "-----BEGIN ", class: isPEM, ends: pemEnds, match: matchPEM},                 // https://www.rfc-editor.org/rfc/rfc7468
	{prefix: "://", match: matchUserinfo},                                                 // https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
}

var formsBy = func() (by [256][]*form) {
	for i := range forms {
		by[forms[i].prefix[0]] = append(by[forms[i].prefix[0]], &forms[i])
	}
	return by
}()

// formPairs are the pairs of bytes with which a form begins.
var formPairs = func() (set pairs) {
	for i := range forms {
		set.add(forms[i].prefix)
	}
	return set
}()

// inWords has the first bytes of which no form begins within a word.
var inWords = func() (by [256]bool) {
	for c, list := range formsBy {
		by[c] = !slices.ContainsFunc(list, func(f *form) bool { return !f.boundary })
	}
	return by
}()

func key(prefix string, class func(byte) bool, least, cut int) form {
	return form{prefix: prefix, class: class, least: least, cut: cut, mixed: cut > 2, boundary: true, match: matchKey}
}

// begins compares a text with the prefix of a form.
func (f *form) begins(text string) verdict {
	n := min(len(text), len(f.prefix))
	switch {
	case text[:n] != f.prefix[:n]:
		return none
	case n < len(f.prefix):
		return partial
	}
	return match
}

func matchKey(f *form, text string) (skip, n int, v verdict) {
	if v := f.begins(text); v != match {
		return 0, 0, v
	}
	// A look at so many bytes decides, so that a text full of prefixes takes no
	// more than its length.
	most := min(len(text), len(f.prefix)+4*f.least)
	for n = len(f.prefix); n < most && f.class(text[n]); n++ {
	}
	switch body := n - len(f.prefix); {
	case body >= f.least && (!f.mixed || isMixed(text[len(f.prefix):n])):
		for n < len(text) && f.class(text[n]) {
			n++
		}
		return 0, n, match
	case n == len(text) && body < 4*f.least:
		return 0, 0, partial
	}
	return 0, 0, none
}

// isMixed reports whether a text has a digit or a capital.
func isMixed(text string) bool {
	for i := range len(text) {
		if isUpperAlnum(text[i]) {
			return true
		}
	}
	return false
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
func isToken(c byte) bool      { return isAlnum(c) || c == '_' || c == '-' }
func isUpperAlnum(c byte) bool { return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' }
func isJWT(c byte) bool        { return isToken(c) || c == '.' }

// matchJWT takes three or more parts of which the first is a JSON object, and the
// second too or is long.
func matchJWT(f *form, text string) (skip, n int, v verdict) {
	if v := f.begins(text); v != match {
		return 0, 0, v
	}
	const longest = 1 << 10 // of the first two parts, undecided
	part := func(from int) int {
		for from < len(text) && from <= longest && isToken(text[from]) {
			from++
		}
		return from
	}
	undecided := func() (int, int, verdict) {
		if len(text) > longest {
			return 0, 0, none
		}
		return 0, 0, partial
	}
	first := part(0)
	switch {
	case first == len(text):
		return undecided()
	case first < 12 || text[first] != '.':
		return 0, 0, none
	}
	second := part(first + 1)
	switch {
	case strings.HasPrefix(text[first+1:], "eyJ"), second-first > 20 && second < len(text) && text[second] == '.':
		for n = second; n < len(text) && isJWT(text[n]); n++ {
		}
		return 0, n, match
	case second == len(text):
		return undecided()
	}
	return 0, 0, none
}

const (
	pemEnds = "-----END " // and a label
	pemEnd  = 64          // bytes at least of the line that ends one
)

func isPEM(c byte) bool {
	return isAlnum(c) || strings.IndexByte("+/=-\r\n\t \\:,.", c) >= 0
}

// matchPEM takes private keys, and certificates for none. Line ends may be
// written as escapes.
func matchPEM(f *form, text string) (skip, n int, v verdict) {
	if v := f.begins(text); v != match {
		return 0, 0, v
	}
	n = len(f.prefix)
	const longest = 40
	for n < len(text) && n <= len(f.prefix)+longest && (isUpperAlnum(text[n]) || text[n] == ' ') {
		n++
	}
	label, dashes := text[len(f.prefix):n], text[n:]
	if len(label) > longest {
		return 0, 0, none
	}
	if len(dashes) < 5 && dashes == "-----"[:len(dashes)] {
		return 0, 0, partial
	}
	if !strings.HasPrefix(dashes, "-----") || !strings.HasSuffix(label, "PRIVATE KEY") && !strings.HasSuffix(label, "PRIVATE KEY BLOCK") {
		return 0, 0, none
	}
	run := Run{inside: f}
	head := n + 5
	body, _ := run.goOn(text[head:])
	return 0, head + body, match
}

// matchUserinfo takes the user and the password of a URL.
func matchUserinfo(f *form, text string) (skip, n int, v verdict) {
	if v := f.begins(text); v != match {
		return 0, 0, v
	}
	const longest = 256
	colon := false
	for n = len(f.prefix); n < len(text); n++ {
		switch c := text[n]; {
		case c == '@' && colon && text[n-1] != ':':
			if text[len(f.prefix):n] == Placeholder+":"+Placeholder || text[len(f.prefix):n] == Placeholder {
				return 0, 0, none
			}
			return len(f.prefix), n, match
		case c == ':':
			colon = true
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`/?#[]"'<>\@{}`, c) >= 0 || n > longest:
			return 0, 0, none
		}
	}
	return 0, 0, partial
}
