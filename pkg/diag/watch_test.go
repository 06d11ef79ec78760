package diag

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestThousandRuns makes the runs of a day and a half, of a server that is there, one
// that is silent and one that is gone. The bubble ends only when all goroutines have.
func TestThousandRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds = 1000
		there := serveInMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Write([]byte("id: 1\ndata: x\n\n"))
			http.NewResponseController(w).Flush()
			if r.Header.Get("Last-Event-ID") == "" && r.Method == http.MethodGet && r.URL.RawQuery != "" {
				<-r.Context().Done()
			}
		}), (*httptest.Server).Start)
		gone := serveInMemory(t, http.NotFoundHandler(), (*httptest.Server).Start)
		gone.Close()
		urls := []string{there.URL, there.URL + "?silent", gone.URL}
		options := Options{Client: &http.Client{}}
		inMemory(&options)
		usage := func() (goroutines int, heap uint64) {
			time.Sleep(time.Minute) // the server lets go of its connections
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			return runtime.NumGoroutine(), stats.HeapAlloc
		}
		var goroutines int
		var heap uint64
		for i := range rounds {
			if i == rounds/10 {
				goroutines, heap = usage()
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, urls[i%len(urls)], nil)
			if err != nil {
				t.Fatal(err)
			}
			options.Quick = i%10 != 0
			if report, err := Run(t.Context(), request, options); err != nil || (report.Error != nil) != (i%3 == 2) {
				t.Fatalf("round %d: %v, %+v", i, err, report.Error)
			}
			time.Sleep(2 * time.Minute)
		}
		if n, bytes := usage(); n > goroutines || bytes > heap+1<<20 {
			t.Errorf("after %d rounds %d goroutines and %d bytes, after %d rounds %d and %d", rounds, n, bytes, rounds/10, goroutines, heap)
		}
	})
}
