package llm

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// TestRest wants each rest of a stream to have the events after the one that is named.
func TestRest(t *testing.T) {
	for _, c := range []struct{ service, path, body, rest string }{
		{"openai", "/v1/responses", `{"model":"m","input":"one two","stream":true,"background":true}`, "/v1/responses/resp_00000007000001?stream=true&starting_after=%d"},
		{"gemini", "/v1beta/interactions", `{"model":"m","input":"one two","stream":true}`, "/v1beta/interactions/v1_00000007000001?stream=true&last_event_id=evt_%d"},
	} {
		s := newService(t, c.service, Options{Seed: 7})
		_, all := sent(t, s.Reply(request(t, "POST", c.path, c.body), nil))
		base, _, _ := strings.Cut(c.rest, "&")
		if _, again := sent(t, s.Reply(request(t, "GET", base, ""), nil)); len(again) != len(all) {
			t.Errorf("%s: %d events from the beginning, want %d", base, len(again), len(all))
		}
		last := len(all)
		if c.service == "gemini" {
			last-- // [DONE] has no ID
		}
		for n := range last {
			after, left := n, all[n+1:]
			if c.service == "gemini" {
				after = n + 1 // its IDs begin with 1
			}
			target := fmt.Sprintf(c.rest, after)
			_, got := sent(t, s.Reply(request(t, "GET", target, ""), nil))
			if len(got) != len(left) {
				t.Fatalf("%s: %d events, want %d", target, len(got), len(left))
			}
			for i := range got {
				if got[i].Data != left[i].Data {
					t.Errorf("%s: %s, want %s", target, got[i].Data, left[i].Data)
				}
			}
		}
	}
}

// TestNotStored wants the refusals of the service.
func TestNotStored(t *testing.T) {
	s := newService(t, "openai", Options{Seed: 7})
	s.Reply(request(t, "POST", "/responses", `{"model":"m","input":"hi","store":false}`), nil)
	s.Reply(request(t, "POST", "/responses", `{"model":"m","input":"hi"}`), nil)
	if reply := s.Reply(request(t, "GET", "/responses/resp_00000007000001", ""), nil); reply.Status != 404 {
		t.Error(body(reply))
	}
	if reply := s.Reply(request(t, "GET", "/responses/resp_00000007000002", ""), nil); reply.Status != 200 {
		t.Error(body(reply))
	}
	if reply := s.Reply(request(t, "GET", "/responses/resp_00000007000002?stream=true", ""), nil); reply.Status != 400 {
		t.Error(body(reply))
	}
	if reply := s.Reply(request(t, "DELETE", "/responses/resp_00000007000002", ""), nil); reply.Status != 200 || !strings.Contains(string(reply.Body), `"deleted":true`) {
		t.Error(body(reply))
	}
	if reply := s.Reply(request(t, "GET", "/responses/resp_00000007000002", ""), nil); reply.Status != 404 {
		t.Error(body(reply))
	}
	for range 2 * maxKept {
		s.Reply(request(t, "POST", "/responses", `{"model":"m","input":"hi"}`), nil)
	}
	if n := len(s.(*openAI).kept.byID); n != maxKept {
		t.Errorf("%d answers are kept", n)
	}
}

// TestBackground wants an answer to go on while its client is away.
func TestBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, "openai", Options{Seed: 7, Pace: fake.Pace{First: 10 * time.Second, Rate: 1}})
		status := func() string {
			return at(value(t, s.Reply(request(t, "GET", "/responses/resp_00000007000001", ""), nil).Body), "status")
		}
		reply := s.Reply(request(t, "POST", "/responses", `{"model":"m","input":"one two three","background":true}`), nil)
		if got := at(value(t, reply.Body), "status"); got != "queued" || status() != "in_progress" {
			t.Errorf("%s, then %s", got, status())
		}
		time.Sleep(11 * time.Second) // two of three tokens are written
		var delays []time.Duration
		s.Reply(request(t, "GET", "/responses/resp_00000007000001?stream=true", ""), nil).Stream(t.Context(), func(r record.Record) error {
			if r.Delay > 0 {
				delays = append(delays, r.Delay)
			}
			return nil
		})
		if fmt.Sprint(delays) != "[1s]" {
			t.Errorf("the rest takes %v", delays)
		}
		time.Sleep(time.Second)
		if status() != "completed" {
			t.Error(status())
		}
		s.Reply(request(t, "POST", "/responses", `{"model":"m","input":"one two three","background":true}`), nil)
		canceled := s.Reply(request(t, "POST", "/responses/resp_00000007000002/cancel", ""), nil)
		if got := at(value(t, canceled.Body), "status"); got != "cancelled" {
			t.Error(got)
		}
	})
}

// TestWholeTakesTime wants an answer that is not a stream to take as long as one.
func TestWholeTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, "anthropic", Options{Slots: 1, Pace: fake.Pace{First: 10 * time.Second, Rate: 1}})
		begun := time.Now()
		done := make(chan time.Duration)
		for range 2 {
			reply := s.Reply(request(t, "POST", "/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"one two three"}]}`), nil)
			go func() {
				reply.Wait(t.Context())
				done <- time.Since(begun)
			}()
		}
		if first, second := <-done, <-done; first != 12*time.Second || second != 24*time.Second {
			t.Errorf("%v and %v, want 12s and, with one slot, 24s", first, second)
		}
	})
}

// TestResumeChat wants the stream of a chat again until it was sent to its end.
func TestResumeChat(t *testing.T) {
	s := newService(t, "vercel-ai", Options{})
	reply := s.Reply(request(t, "POST", "/api/chat", `{"id":"c","messages":[{"role":"user","content":"one two"}]}`), nil)
	if reply.Header.Get("X-Vercel-Ai-Ui-Message-Stream") != "v1" {
		t.Error(reply.Header)
	}
	var first string
	reply.Stream(t.Context(), func(r record.Record) error {
		first = r.Data
		return fmt.Errorf("gone")
	})
	_, all := sent(t, s.Reply(request(t, "GET", "/api/chat/c/stream", ""), nil))
	if all[0].Data != first || all[len(all)-1].Data != "[DONE]" {
		t.Errorf("from %s to %s", all[0].Data, all[len(all)-1].Data)
	}
	if reply := s.Reply(request(t, "GET", "/api/chat/c/stream", ""), nil); reply.Status != 204 {
		t.Error(body(reply))
	}
}

// TestStore wants the oldest values to go for a new one, by their number and by their bytes.
func TestStore(t *testing.T) {
	var s store[int]
	for i := range 10 {
		s.put(strconv.Itoa(i), i, maxKeptBytes/4)
		s.put("again", i, maxKeptBytes/4)
	}
	if len(s.byID) != 4 || len(s.order) != 4 || s.bytes != maxKeptBytes {
		t.Errorf("%d and %d values of %d bytes", len(s.byID), len(s.order), s.bytes)
	}
	if _, ok := s.get("6"); ok {
		t.Error("an old value is there")
	}
	if v, _ := s.get("again"); v != 9 {
		t.Errorf("got %d of the latest value", v)
	}
	s.put("large", 1, 2*maxKeptBytes)
	if _, ok := s.get("large"); !ok || len(s.byID) != 1 {
		t.Errorf("%d values with a large one, %v", len(s.byID), ok)
	}
}

// TestKeptBytes wants the texts that an answer holds while it is kept to count, and the rest
// of its request not to be held.
func TestKeptBytes(t *testing.T) {
	text := strings.Repeat("w ", 1<<15)
	many := "[" + strings.Repeat("1,", 4_000) + "1]"
	for _, c := range []struct {
		service, path, body string
		least, most         int
	}{
		{"openai", "/responses", fmt.Sprintf(`{"model":"m","background":true,"input":%q}`, text), 1 << 16, 1 << 17},
		{"openai", "/responses", `{"model":"m","input":"hi","instructions":"` + text + `"}`, 1 << 16, 1 << 17},
		{"openai", "/responses", `{"model":"m","input":"hi","metadata":` + many + `}`, 1 << 16, 1 << 18},
		{"openai", "/responses", `{"model":"m","input":"hi","unknown":` + many + `}`, 100, 10_000},
		{"gemini", "/v1beta/interactions", fmt.Sprintf(`{"model":"m","background":true,"input":%q}`, text), 1 << 16, 1 << 17},
		{"vercel-ai", "/api/chat", fmt.Sprintf(`{"id":"c","messages":[{"role":"user","content":%q}]}`, text), 1 << 16, 1 << 17},
	} {
		s := newService(t, c.service, Options{})
		s.Reply(request(t, "POST", c.path, c.body), nil)
		var bytes int
		switch s := s.(type) {
		case *openAI:
			bytes = s.kept.bytes
			for _, k := range s.kept.byID {
				if k.value.request["unknown"] != nil || k.value.request["input"] != nil {
					t.Errorf("%.60s: all of the request is kept", c.body)
				}
			}
		case *gemini:
			bytes = s.kept.bytes
		case *vercel:
			bytes = s.chats.bytes
		}
		if bytes < c.least || bytes > c.most {
			t.Errorf("%s %.60s: %d bytes are kept, want %d to %d", c.path, c.body, bytes, c.least, c.most)
		}
	}
}

// TestTestsApart wants the answers of a test to be there for it alone.
func TestTestsApart(t *testing.T) {
	for _, c := range []struct {
		service, path, body, kept string
		missing                   int
	}{
		{"openai", "/responses", `{"model":"m","input":"hi"}`, "/responses/resp_00000007000001", 404},
		{"gemini", "/v1beta/interactions", `{"model":"m","input":"hi"}`, "/v1beta/interactions/v1_00000007000001", 404},
		{"vercel-ai", "/api/chat", `{"id":"c","messages":[{"role":"user","content":"hi"}]}`, "/api/chat/c/stream", 204},
	} {
		s := newService(t, c.service, Options{Seed: 7})
		of := func(test, method, path, body string) *fake.Reply {
			r := request(t, method, path, body)
			r.Header.Set("X-Ssectl-Test", test)
			return s.Reply(r, nil)
		}
		of("A", "POST", c.path, c.body)
		for test, want := range map[string]int{"A": 200, "B": c.missing, "": c.missing} {
			if reply := of(test, "GET", c.kept, ""); max(reply.Status, 200) != want {
				t.Errorf("%s of test %q: %s, want %d", c.kept, test, body(reply), want)
			}
		}
	}
}
