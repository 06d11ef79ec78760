//go:build attack

package attack

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// The promise: a secret that a user gives reaches the server that it is for,
// and no message, recording, report or other origin, whatever it is called.

// An eavesdropper keeps all that another origin was sent.
type eavesdropper struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (e *eavesdropper) hear(r *http.Request) {
	dump, _ := httputil.DumpRequest(r, true)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text.Write(dump)
}

// randomName returns a name for a header or a parameter that nobody knows.
func randomName(random *rand.Rand) string {
	parts := []string{"x", "user", "my", "app", "api", "key", "pass", "pwd", "id", "ref", "grant", "q", "data", "acc", "s", "h"}
	name := "x"
	for range 1 + random.IntN(3) {
		name += []string{"-", "_", ""}[random.IntN(3)] + parts[random.IntN(len(parts))]
	}
	return name
}

func TestPromiseSecrets(t *testing.T) {
	seed := newSeed(t)
	for i := range cases(t, 80) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		secret := fmt.Sprintf("geheim%x", random.Uint64())
		if random.IntN(3) == 0 {
			secret = "geheim" // a word, as people choose them
		}
		var other eavesdropper
		elsewhere := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			other.hear(r)
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "id: 1\ndata: x\n\n")
		})
		way := random.IntN(5)
		home := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			switch way {
			case 0:
				http.Redirect(w, r, elsewhere+"/there?next=1", []int{301, 302, 303, 307, 308}[random.IntN(5)])
			case 1:
				w.WriteHeader(http.StatusUnauthorized)
			case 2:
				w.Header().Set("Location", elsewhere+"/"+strings.Repeat("x", 10))
				w.WriteHeader(http.StatusFound)
			default:
				w.Header().Set("Content-Type", "text/event-stream")
				w.Header().Set("Set-Cookie", "session="+secret)
				io.WriteString(w, "id: 1\ndata: x\n\ndata: cut")
			}
		})
		target, _ := url.Parse(home)
		var args []string
		switch random.IntN(10) {
		case 0:
			target.RawQuery = randomName(random) + "=" + secret
		case 1:
			target.RawQuery = []string{secret, "a=1&" + secret, secret + "&live=true", "topic=a;token=" + secret, "topic=a&token=" + secret + ";b=2"}[random.IntN(5)]
		case 2:
			args = []string{"-H", "Authorization: " + []string{"", "Bearer ", "Token ", "x "}[random.IntN(4)] + secret + " " + secret}
		case 3:
			args = []string{"--oauth2-bearer", secret}
		case 4:
			target.Fragment = secret
		case 5:
			target.User = url.UserPassword("me", secret)
		case 6:
			args = []string{"-H", randomName(random) + ": " + secret}
		case 7:
			args = []string{"-u", "me:" + secret}
		case 8:
			args = []string{"-b", randomName(random) + "=" + secret}
		default:
			args = []string{"-d", randomName(random) + "=" + secret}
		}
		dir := t.TempDir()
		record, har := filepath.Join(dir, "r.jsonl"), filepath.Join(dir, "h.har")
		runs := [][]string{
			append([]string{"listen", target.String(), "--no-reconnect", "-v", "-i", "--stats", "json", "--record", record, "--save-har", har, "--cursor", filepath.Join(dir, "c")}, args...),
			append([]string{"diag", target.String(), "--quick", "--all", "-v", "--format", []string{"json", "text", "junit", "markdown", "github", "tap"}[random.IntN(6)]}, args...),
		}
		shown := ""
		for _, run := range runs {
			r := cmdtest.Run(t, "", run...)
			shown += r.Out + r.Err
		}
		for _, file := range []string{record, har, filepath.Join(dir, "c")} {
			text, _ := os.ReadFile(file)
			shown += string(text)
		}
		shown += other.text.String()
		for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte("me:" + secret))} {
			if at := strings.Index(shown, form); at >= 0 {
				t.Fatalf("SSECTL_TEST_SEED=%d, case %d, way %d: the secret is shown or sent on: ...%q\n%q", seed, i, way, shown[max(0, at-200):min(len(shown), at+60)], runs)
			}
		}
	}
}
