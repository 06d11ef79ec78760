package fake

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/internal/streamtest"
)

// BenchmarkHandler measures the CPU time that a fake of 200 answers adds to each of 10,000 requests
// beside a handler that reads the body and writes the same answer: at most 50 µs, µs/added.
func BenchmarkHandler(b *testing.B) {
	const answers, requests = 200, 10_000
	var o Options
	for i := range answers {
		text := fmt.Sprintf("match: {method: POST, path: '/v1/%d/{m}', json: {model: m}}\nanswer: {json: {id: {jq: .json.id}, model: {jq: .params.m}}}\n", i)
		list, err := Parse(fmt.Sprintf("%d.yaml", i), []byte(text), "", LoadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		o.Answers = append(o.Answers, list...)
	}
	h, err := NewHandler(o)
	if err != nil {
		b.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body.Read(make([]byte, 512))
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"id":7,"model":"x"}`))
	})
	run := func(h http.Handler) time.Duration {
		begun := streamtest.CPUTime()
		for i := range requests {
			r := httptest.NewRequest("POST", fmt.Sprintf("/v1/%d/x", i%answers), strings.NewReader(`{"model":"m","id":7,"messages":[{"role":"user","content":"hello"}]}`))
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Body.String() != `{"id":7,"model":"x"}` {
				b.Fatal(w.Body)
			}
		}
		return streamtest.CPUTime() - begun
	}
	for b.Loop() {
		added := run(h) - run(bare)
		b.ReportMetric(float64(added.Nanoseconds())/requests/1e3, "µs/added")
	}
}
