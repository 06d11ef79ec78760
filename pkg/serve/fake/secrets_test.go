package fake

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/pkg/exchange/window"
)

// Secrets of a request are neither in lines for people, nor in the log of requests, nor
// in answers that tell of differences.
func TestSecretsOfRequests(t *testing.T) {
	dir := t.TempDir()
	err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(`
- match: {path: /j, json: {api_key: right}}
  answer: {body: ok}
- match: {path: /pin, json: {pin: right}}
  answer: {body: ok}
- match: {path: /o, json: {o: right}}
  answer: {body: ok}
- match: {path: /b, body: 'api_key=right'}
  answer: {body: ok}
- match: {path: /q, query: {api_key: right}}
  answer: {body: ok}
- match: {path: /h, jq: '.headers.Authorization | ltrimstr("Bearer ") | tonumber'}
  answer: {body: ok}
- match: {path: /a}
  answer: {json: {a: {jq: '.json.api_key | tonumber'}}}
- match: {path: /t}
  answer: {body: ok, tell: {channel: {jq: .json.api_key}, events: [{data: x}]}}
- match: {path: /v}
  answer: {headers: {X-A: {jq: '.json.api_key + "\n"'}}}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told strings.Builder
	tell := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		told.WriteString(text + "\n")
	}
	log := window.New(window.Limits{})
	log.Asked = func(r window.Request) {
		text, _ := json.Marshal(r)
		tell(string(text))
	}
	_, base := play(t, Options{
		Answers: answers, Note: tell, Watch: log.Watch, Played: func(p Play) { tell(p.End) },
	})
	for _, secret := range []string{rand.Text(), strings.Repeat(rand.Text(), 20), "sk" + rand.Text()[:4]} {
		requests := []string{"POST /j", `{"api_key":"` + secret + `"}`, "POST /pin", `{"pin":"` + secret + `"}`, "POST /o", `{"o":{"api_key":"` + secret + `"}}`,
			"POST /b", "api_key=" + secret, "GET /q?api_key=" + secret, ""}
		if len(secret) > 8 { // or it is not looked for in texts
			requests = append(requests, "GET /h", "", "POST /a", `{"api_key":"`+secret+`"}`, "POST /t", `{"api_key":"`+secret+`"}`,
				"POST /v", `{"api_key":"`+secret+`"}`)
		}
		for i := 0; i < len(requests); i += 2 {
			got := ask(t, base, requests[i], requests[i+1], "Authorization: Bearer "+secret)
			list, _ := json.Marshal(log.Requests(0, nil))
			mu.Lock()
			all := map[string]string{"answer": got, "log": told.String(), "list": string(list)}
			mu.Unlock()
			for where, text := range all {
				if strings.Contains(text, secret[:6]) {
					t.Errorf("%s: the %s has the secret %s: %s", requests[i], where, secret[:6], text)
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}
