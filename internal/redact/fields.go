package redact

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// fieldWords and fieldPairs are the words that make a field of a body secret, alone
// or one after the other. Alone, key and token and code are words of any body: the
// tokens of a model, the code of an error.
var (
	fieldWords = []string{
		"apikey", "apikeys", "authorization", "cookie", "cookies", "credential", "credentials", "jwt", "passcode", "passphrase",
		"passwd", "password", "passwords", "pwd", "secret", "secrets",
	}
	fieldFirst = []string{
		"access", "api", "auth", "bearer", "client", "csrf", "encryption", "id", "master", "oauth", "private", "refresh",
		"secret", "service", "session", "signing", "xsrf",
	}
	fieldLast = []string{"key", "keys", "token"}
)

// Field reports whether the name of a field of a body means a secret.
func Field(name string) bool {
	list := words(name)
	for i, word := range list {
		if slices.Contains(fieldWords, word) {
			return true
		}
		if i > 0 && slices.Contains(fieldLast, word) && slices.Contains(fieldFirst, list[i-1]) {
			return true
		}
	}
	plain := strings.ToLower(name)
	return slices.ContainsFunc(secretEnds, func(end string) bool { return strings.HasSuffix(plain, end) && end != "signature" })
}

// plainTokens are the words before token in the names of fields of requests that mean
// no secret: a place in a list, a mark in a text of a model.
var plainTokens = []string{
	"bos", "cls", "continuation", "cursor", "end", "eos", "eot", "image", "mask", "next", "pad", "page", "sep", "special",
	"start", "stop", "sync", "unk",
}

// RequestField reports whether the name of a field with a text, in the body of a
// request, means a secret. There, unlike in the answer of a model, that is the case for
// a token.
func RequestField(name string) bool {
	list := words(name)
	if n := len(list) - 1; n >= 0 && list[n] == "token" {
		return n == 0 || !slices.Contains(plainTokens, list[n-1])
	}
	lower := strings.ToLower(name)
	return lower == "auth" || lower == "pin" || lower == "otp" || Field(name)
}

// Query returns a query as a recording keeps it, and remembers the secrets in it:
// values are hidden whose names are words for secrets, or that look like a token
// under a name that does not explain it. Others stay, for without them one
// request would be taken for another.
func (s *Secrets) Query(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		part, rest := s.semicolons(part)
		parts[i] = part
		name, value, ok := strings.Cut(part, "=")
		plainName, err := url.QueryUnescape(name)
		if !ok {
			if name != "" && (err != nil || !isPlainName(plainName) && looksRandom(plainName)) {
				s.Add(plainName)
				parts[i] = Placeholder
			}
			parts[i] += rest
			continue
		}
		plain, valueErr := url.QueryUnescape(value)
		switch {
		case value == "" || plain == Placeholder:
		case err != nil || valueErr != nil, Name(plainName):
			s.Add(plain)
			parts[i] = name + "=" + Placeholder
		case !isPlainName(plainName) && looksRandom(plain):
			s.Add(plain)
			parts[i] = name + "=" + Placeholder
		default:
			if clean := s.Clean(plain); clean != plain {
				parts[i] = name + "=" + url.QueryEscape(clean)
			}
		}
		parts[i] += rest
	}
	return strings.Join(parts, "&")
}

// semicolons cuts a parameter where one begins after a semicolon, which some servers
// take for an &, that is named for a secret. The rest is without it.
func (s *Secrets) semicolons(part string) (before, rest string) {
	for at := strings.IndexByte(part, ';'); at >= 0; {
		name, value, ok := strings.Cut(part[at+1:], "=")
		next := strings.IndexByte(part[at+1:], ';')
		if next >= 0 && next < len(name) {
			at += 1 + next
			continue
		}
		if plain, err := url.QueryUnescape(name); ok && value != "" && (err != nil || Name(plain)) {
			first, _, _ := strings.Cut(value, ";")
			for _, v := range []string{value, first} {
				if plain, err := url.QueryUnescape(v); err == nil {
					s.Add(plain)
				}
			}
			return part[:at], part[at:at+1] + name + "=" + Placeholder
		}
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return part, ""
}

// looksRandom reports whether a value may be a token: long, with both letters and
// digits, and none of the bytes that texts, times and paths have.
func looksRandom(value string) bool {
	const least = 20
	digits, letters := 0, 0
	for i := range len(value) {
		switch c := value[i]; {
		case '0' <= c && c <= '9':
			digits++
		case isAlnum(c):
			letters++
		case strings.IndexByte("-_.~+/=", c) < 0:
			return false
		}
	}
	return len(value) >= least && digits > 1 && letters > 1
}

// Credentials remembers the secret values of the header of a request.
func (s *Secrets) Credentials(name, value string) {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization":
		scheme, token, ok := strings.Cut(value, " ")
		if !ok {
			token = value
		}
		s.Add(token)
		if strings.EqualFold(scheme, "basic") {
			if pair, err := base64.StdEncoding.DecodeString(token); err == nil {
				_, password, _ := strings.Cut(string(pair), ":")
				s.Add(string(pair))
				s.Add(password)
			}
		}
	case "cookie":
		for pair := range strings.SplitSeq(value, ";") {
			name, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if v = strings.Trim(v, `"`); ok && (Name(name) || !isLowerWord(v)) {
				s.Add(v)
			}
		}
	default:
		if IsPlainHeader(name) {
			return
		}
		if scheme, token, ok := strings.Cut(value, " "); ok && slices.Contains(schemes, strings.ToLower(scheme)) {
			s.Add(token)
		}
		if Name(name) || looksRandom(value) {
			s.Add(value)
		}
	}
}

// isLowerWord reports whether a value may be a word that is a setting.
func isLowerWord(value string) bool { return isPlainWord(value) && strings.ToLower(value) == value }

// Header remembers the secret values of the header of a request, those first that
// are the most secret.
func (s *Secrets) Header(header http.Header) {
	names := slices.Sorted(maps.Keys(header))
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for _, name := range names {
		for _, value := range header[name] {
			s.Credentials(name, value)
		}
	}
}

func rank(name string) int {
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, "authorization"):
		return 0
	case lower == "cookie":
		return 2
	case Name(name):
		return 1
	}
	return 3
}

// URL remembers the secrets in the URL of a request: its user information, as it is
// and as a header has it, and those of its query.
func (s *Secrets) URL(u *url.URL) {
	if u == nil {
		return
	}
	if u.User != nil {
		name := u.User.Username()
		password, _ := u.User.Password()
		s.Credentials("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
		s.Add(u.User.String())
		if password == "" { // some APIs take a key for the name
			s.Add(name)
		}
	}
	s.Query(u.RawQuery)
}
