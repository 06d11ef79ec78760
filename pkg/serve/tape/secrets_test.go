package tape

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
)

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func randomText(random *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(b)
}

// A leak is a secret and the way in which a request has it.
type leak struct {
	secret string
	put    func(c *call, secret string) // nil: it is recognized by its form
}

func randomLeak(random *rand.Rand) leak {
	secret := randomText(random, letters+"-_.~", 12+random.IntN(60)) + "x9"
	token := func(prefix string, n int) leak { return leak{secret: prefix + randomText(random, letters, n)} }
	switch random.IntN(14) {
	case 0:
		return leak{secret, func(c *call, s string) { c.header.Set("Authorization", "Bearer "+s) }}
	case 1:
		return leak{secret, func(c *call, s string) { c.header.Set("X-Api-Key", s) }}
	case 2:
		return leak{secret, func(c *call, s string) { c.header.Set("Cookie", "theme=dark; sid="+s) }}
	case 3:
		return leak{secret, func(c *call, s string) { c.target += "?api_key=" + url.QueryEscape(s) + "&limit=3" }}
	case 4:
		return leak{secret + "+/=", func(c *call, s string) {
			c.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("user:"+s)))
		}}
	case 5:
		return leak{secret + "\"\\ü", func(c *call, s string) {
			text, _ := json.Marshal(s)
			c.body = strings.Replace(c.body, "{", `{"client_secret":`+string(text)+",", 1)
		}}
	case 6:
		return leak{secret, func(c *call, s string) { c.header.Set("Authorization", s) }}
	case 7:
		return token("sk-proj-", 40)
	case 8:
		return token("sk-ant-api03-", 80)
	case 9:
		return token("AIza", 35)
	case 10:
		return token("ghp_", 36)
	case 11:
		return token("xoxb-1234567890-", 24)
	case 12:
		return leak{secret: "eyJhbGciOiJIUzI1NiJ9.eyJ" + randomText(random, letters, 100) + "." + randomText(random, letters+"-_", 43)}
	}
	return leak{secret: "AKIA" + randomText(random, letters[:26]+"234567", 16)}
}

// shapes are streams that bring a text in pieces. Each makes the event of a piece.
var shapes = []func(n int, piece string) string{
	func(n int, p string) string {
		return fmt.Sprintf(`data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`+"\n\n", quote(p))
	},
	func(n int, p string) string { // two choices that take turns
		return fmt.Sprintf(`data: {"choices":[{"delta":{"content":%s},"index":1}]}`+"\n\n"+`data: {"choices":[{"delta":{"content":"other "},"index":0}]}`+"\n\n", quote(p))
	},
	func(n int, p string) string {
		arguments, _ := json.Marshal(p)
		return fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":%s}}]}}]}`+"\n\n", arguments)
	},
	func(n int, p string) string {
		return fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":%s}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n", quote(p))
	},
	func(n int, p string) string {
		return fmt.Sprintf("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":%d,\"item_id\":\"msg_1\",\"output_index\":0,\"delta\":%s}\n\n", n, quote(p))
	},
	func(n int, p string) string { // two parts of one event
		runes := []rune(p)
		a, b := string(runes[:len(runes)/2]), string(runes[len(runes)/2:])
		return fmt.Sprintf("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":%s},{\"text\":%s}]}}]}\r\n\r\n", quote(a), quote(b))
	},
	func(n int, p string) string {
		return fmt.Sprintf("data:{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":%s}\n\n: beat\n\n", quote(p))
	},
	func(n int, p string) string { return "data: " + p + "\n\n" },
	func(n int, p string) string { return ": " + p + "\n\n" },
}

func quote(s string) string { text, _ := json.Marshal(s); return string(text) }

// cutUp cuts a text at random places between characters.
func cutUp(random *rand.Rand, text string) (list []string) {
	most := 1 + random.IntN(len(text))
	for len(text) > 0 {
		n := 1 + random.IntN(min(most, len(text)))
		for n < len(text) && text[n]&0xc0 == 0x80 {
			n++
		}
		list = append(list, text[:n])
		text = text[n:]
	}
	return list
}

// Secrets that are cut at random places are not on the tape, and a request with
// other secrets is answered from it.
func TestSecrets(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	r := newRecorder(t)
	type asked struct {
		call  call
		leak  leak
		parts []string
	}
	var all []asked
	for i := range 500 {
		leak := randomLeak(random)
		newCall := func() call {
			return call{method: "POST", target: fmt.Sprintf("/%d", i), header: http.Header{"Content-Type": {"application/json"}}, body: `{"model":"m"}`, status: 200, how: exchange.Whole}
		}
		c := newCall()
		if leak.put != nil {
			leak.put(&c, leak.secret)
		}
		again := newCall()
		if leak.put != nil {
			leak.put(&again, "another-secret-00")
		}
		kind := random.IntN(len(shapes) + 3)
		if strings.ContainsAny(leak.secret, `"\`) && kind >= 7 && kind < len(shapes) {
			kind = 0
		}
		text := "It is " + leak.secret + " and " + leak.secret + ", no more."
		switch {
		case kind < len(shapes):
			c.answer = sse
			var b strings.Builder
			for n, piece := range cutUp(random, text) {
				b.WriteString(shapes[kind](n, piece))
			}
			c.text = b.String()
			if random.IntN(4) == 0 { // cut off
				c.how = exchange.Truncated
				c.text = c.text[:len(c.text)/2+random.IntN(len(c.text)/2)]
			}
		case kind == len(shapes):
			c.answer = http.Header{"Content-Type": {"application/json"}, "X-Echo": {"is " + quote(leak.secret)}}
			c.text = `{"text": ` + quote(text) + "}"
		case kind == len(shapes)+1:
			c.answer = http.Header{"Content-Type": {"application/x-ndjson"}}
			for _, piece := range cutUp(random, text) {
				c.text += fmt.Sprintf("{\"response\":%s,\"done\":false}\n", quote(piece))
			}
		default:
			c.answer = http.Header{"Content-Type": {"text/plain"}}
			c.text = text
		}
		take(t, r.Watch, c, 1+random.IntN(50))
		all = append(all, asked{again, leak, nil})
	}
	onTape := tapes(t, r.Dir)
	strips := strings.NewReplacer("\\", "", "\"", "", "\n", "")
	stripped := strips.Replace(onTape)
	for i, a := range all {
		if n := strings.Count(onTape, a.leak.secret); n > 0 {
			t.Errorf("%d: the secret %q is on the tape %d times", i, a.leak.secret, n)
		}
		// Nor is a third of it.
		part := a.leak.secret[len(a.leak.secret)/3:][:max(len(a.leak.secret)/3, 6)]
		if a.leak.put == nil && strings.HasPrefix(a.leak.secret, "eyJ") {
			continue
		}
		if at := strings.Index(stripped, strips.Replace(part)); at >= 0 {
			t.Errorf("%d: %q of the secret %q is on the tape: %s", i, part, a.leak.secret, stripped[max(0, at-200):at+100])
		}
	}
	if n := strings.Count(onTape, redact.Placeholder); n < 900 {
		t.Errorf("%d placeholders", n)
	}
	_, base := play(t, r.Dir, Options{Note: func(s string) { t.Log(s) }})
	for i, a := range all {
		response, text, _ := ask(t, base, a.call)
		if response.StatusCode != 200 {
			t.Errorf("%d: %d %s", i, response.StatusCode, text)
			continue
		}
		if strings.Contains(text, a.leak.secret) {
			t.Errorf("%d: the secret is played", i)
		}
	}
}

// TestTokenFields hides a field called token in requests, where it is a text, and
// leaves that of an answer, which is a text of a model, unless it is known.
func TestTokenFields(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{`{"auth":{"token":"abc","id_token":"def"},"n":1}`, `{"auth":{"token":"REDACTED","id_token":"REDACTED"},"n":1}`},
		{`{"token":12,"max_tokens":34,"page_token":"abc"}`, `{"token":12,"max_tokens":34,"page_token":"abc"}`},
		{`{"\u0074oken":"abc"}`, `{"\u0074oken":"REDACTED"}`},
		{"{\"token\":\"\"}\n{\"token\":\"abc\"}", "{\"token\":\"\"}\n{\"token\":\"REDACTED\"}"},
	} {
		if got := cleanBody(new(redact.Secrets), "application/json", test.body, true); got != test.want {
			t.Errorf("%s became %s, want %s", test.body, got, test.want)
		}
	}
	var secrets redact.Secrets
	cleanBody(&secrets, "application/json", `{"token":"known-value-1"}`, true)
	const answer = `{"logprobs":[{"token":" tide"},{"token":"known-value-1"}]}`
	if got, want := cleanBody(&secrets, "application/json", answer, false), `{"logprobs":[{"token":" tide"},{"token":"REDACTED"}]}`; got != want {
		t.Errorf("an answer became %s, want %s", got, want)
	}
}

// echo records a request whose answer is text, and returns its tape.
func echo(t *testing.T, r *Recorder, c call, text string) string {
	t.Helper()
	c.method, c.status, c.how, c.text = "POST", 200, exchange.Whole, text
	if c.target == "" {
		c.target = "/echo"
	}
	if c.answer == nil {
		c.answer = http.Header{"Content-Type": {"text/plain"}}
	}
	take(t, r.Watch, c, 100)
	return tapes(t, r.Dir)
}

func TestUpstreamIsHidden(t *testing.T) {
	r := newRecorder(t)
	r.Upstream, _ = url.Parse("http://user:hunter2hunter2@upstream.test")
	r.Hide("X-Api-Key", "key-of-the-flag")
	for i := range 1500 { // each with a secret of its own
		take(t, r.Watch, call{method: "GET", target: "/", header: http.Header{"X-Request": {fmt.Sprintf("0a1b2c3d4e5f6a7b-%07d", i)}}, status: 204, how: exchange.Whole}, 1)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("user:hunter2hunter2"))
	tape := echo(t, r, call{}, "key-of-the-flag, "+basic+", user:hunter2hunter2")
	for _, secret := range []string{"key-of-the-flag", basic, "hunter2hunter2"} {
		if strings.Contains(tape, secret) {
			t.Errorf("%s is on the tape", secret)
		}
	}
}

// The secret of one request does not change another, nor a word that is one the path
// of its own.
func TestSecretsOfOthers(t *testing.T) {
	r := newRecorder(t)
	call := func(path, key string) call {
		return call{method: "POST", target: path, header: http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"text/plain"}}, body: "text", status: 200, how: exchange.Whole, answer: http.Header{"Content-Type": {"text/plain"}}, text: path}
	}
	take(t, r.Watch, call("/v1/openai/messages", "messages"), 100)
	take(t, r.Watch, call("/v1/openai/messages-2026", "another-key-1"), 100)
	take(t, r.Watch, call("/v1/messages-2027", "messages-2026"), 100)
	_, base := play(t, r.Dir, Options{})
	for _, c := range []struct{ path, key string }{{"/v1/messages-2027", "messages-2026"}, {"/v1/openai/messages-2026", "x"}, {"/v1/openai/messages", "y"}, {"/v1/openai/messages", "messages"}} {
		if response, text, err := ask(t, base, call(c.path, c.key)); err != nil || response.StatusCode != 200 {
			t.Errorf("%s with the key %s: %v %s %v", c.path, c.key, response.Status, text, err)
		}
	}
}

func TestFields(t *testing.T) {
	const multipart = "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2hunter2\r\n--b--"
	for _, test := range []struct {
		request    bool
		text, want string
	}{
		{true, `{"password":["X"],"b":["c"]}`, `{"password":["REDACTED"],"b":["c"]}`},
		{true, `{"api_key":{"value":"X"},"b":"c"}`, `{"api_key":{"value":"REDACTED"},"b":"c"}`},
		{true, `{"apikeys":[[{"a":"X"}],1],"b":2}`, `{"apikeys":[[{"a":"REDACTED"}],"REDACTED"],"b":2}`},
		{true, "{\"password\"\t:\"X\"}", "{\"password\"\t:\"REDACTED\"}"},
		{true, `{"auth":"X","pin":"Y"}`, `{"auth":"REDACTED","pin":"REDACTED"}`},
		{false, `{"auth":"X","pin":13}`, `{"auth":"X","pin":13}`},
		{true, `{"m":"{\"password\":\"X\"}"}`, `{"m":"{\"password\":\"REDACTED\"}"}`},
		{false, `{"m":"{\"password\":[\"X\"]}"}`, `{"m":"{\"password\":[\"REDACTED\"]}"}`},
		{true, multipart, strings.Replace(multipart, "hunter2hunter2", "REDACTED", 1)},
	} {
		var secrets redact.Secrets
		got := cleanBody(&secrets, "multipart/form-data", test.text, test.request)
		if got != test.want {
			t.Errorf("%s became %s, want %s", test.text, got, test.want)
		}
		if strings.Contains(test.text, "hunter2") && secrets.Clean("hunter2hunter2") != redact.Placeholder {
			t.Error("the field of a form is not remembered")
		}
	}
	// After an event like it that has nothing in its secret field.
	r := newRecorder(t)
	tape := echo(t, r, call{answer: sse}, "data: {\"password\":[\"\"]}\n\ndata: {\"password\":[\"Xyz\"]}\n\n")
	if strings.Contains(tape, "Xyz") {
		t.Error("a field is on the tape")
	}
}

// Strings beside a secret that all end with its first letter do not let it out.
func TestPiecesBesideManyTexts(t *testing.T) {
	tags := strings.Repeat(`"yes",`, 2000) + `"yes"`
	for _, tags := range []string{tags[:6*100+5], tags} {
		r := newRecorder(t)
		var text strings.Builder
		for _, piece := range []string{"sesame-01", "23456789", "abcdefgh", "ijklmnop"} {
			fmt.Fprintf(&text, "data: {\"tags\":[%s],\"delta\":%q}\n\n", tags, piece)
		}
		tape := echo(t, r, call{answer: sse, header: http.Header{"Authorization": {"Bearer sesame-0123456789abcdefghijklmnop"}}}, text.String())
		for _, piece := range []string{"sesame-01", "23456789", "abcdefgh", "ijklmnop"} {
			if strings.Contains(tape, piece) {
				t.Errorf("%s is on the tape", piece)
			}
		}
	}
}
