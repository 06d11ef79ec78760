package llm

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// TestLongText wants a bounded number of events for a long text, with all of it, in the
// time of its tokens.
func TestLongText(t *testing.T) {
	const tokens = 5*maxPieces + 7
	said := strings.Repeat("a ", tokens)[:2*tokens-1]
	for _, a := range apis {
		s := newService(t, a.service, Options{Pace: fake.Pace{Rate: 1}})
		reply := s.Reply(a.ask(t, said, true, ""), nil)
		got, n, took := strings.Builder{}, 0, time.Duration(0)
		err := reply.Stream(t.Context(), func(r record.Record) error {
			n++
			took += r.Delay
			if r.Data != "[DONE]" {
				got.WriteString(a.text(value(t, []byte(r.Data))))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != said {
			t.Errorf("%s: %d bytes of text, want %d", a.name(), got.Len(), len(said))
		}
		if n > maxPieces+100 || n < maxPieces/2 {
			t.Errorf("%s: %d events for %d tokens", a.name(), n, tokens)
		}
		if want := (tokens - 1) * time.Second; took != want {
			t.Errorf("%s: it takes %v, want %v", a.name(), took, want)
		}
	}
}

// TestLongTextMemory wants an answer under way to hold its text, and not its pieces.
func TestLongTextMemory(t *testing.T) {
	const size, answers = 1 << 18, 4
	said := strings.Repeat("a ", size/2)
	enough := errors.New("enough")
	for _, a := range apis {
		s := newService(t, a.service, Options{})
		begin := liveHeap()
		for range answers {
			reply := s.Reply(a.ask(t, said, true, ""), nil)
			events := 0
			defer runtime.KeepAlive(reply)
			reply.Stream(t.Context(), func(record.Record) error {
				if events++; events == 100 {
					return enough
				}
				return nil
			})
		}
		if grown := liveHeap() - begin; grown > 3*answers*size {
			t.Errorf("%s: %d answers of %d bytes take %d bytes", a.name(), answers, size, grown)
		}
	}
}

// liveHeap returns the bytes that are in use.
func liveHeap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestTooMuch wants requests for very large answers refused, in the form of the service, and
// the largest ones of real use answered.
func TestTooMuch(t *testing.T) {
	items := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for _, c := range []struct {
		service, path, body string
		status              int
		want                string
	}{
		{"openai", "/v1/embeddings", `{"model":"m","dimensions":1,"input":[` + items(`"x"`, 2049) + `]}`, 400, `"param":"input"`},
		{"openai", "/v1/embeddings", `{"model":"m","dimensions":1,"input":[` + items(`"x"`, 2048) + `]}`, 200, `"index":2047`},
		{"openai", "/v1/embeddings", `{"model":"m-large","encoding_format":"base64","input":[` + items(`"x"`, 2048) + `]}`, 200, `"index":2047`},
		{"openai", "/v1/embeddings", `{"model":"m","dimensions":8192,"encoding_format":"base64","input":[` + items(`"x"`, 2048) + `]}`, 400, `"param":"input"`},
		{"openai", "/v1/chat/completions", fmt.Sprintf(`{"model":"m","n":128,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", 1<<20)), 400, `"param":"n"`},
		{"openai", "/v1/chat/completions", fmt.Sprintf(`{"model":"m","n":128,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", 1<<10)), 200, `"index":127`},
		{"gemini", "/v1beta/models/x:batchEmbedContents", `{"requests":[` + items("{}", 101) + `]}`, 400, "INVALID_ARGUMENT"},
		{"gemini", "/v1beta/models/x:batchEmbedContents", `{"requests":[` + items("{}", 100) + `]}`, 200, "embeddings"},
	} {
		s := newService(t, c.service, Options{})
		reply := s.Reply(request(t, http.MethodPost, c.path, c.body), nil)
		if reply.Status != c.status || !strings.Contains(string(reply.Body), c.want) {
			t.Errorf("%s %.60s: %.200s, want %d with %s", c.path, c.body, body(reply), c.status, c.want)
		}
	}
}
