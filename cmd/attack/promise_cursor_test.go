//go:build attack

package attack

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// The promise: with --cursor, the runs together have every event, however each
// of them ended.

// TestPromiseCursor has several processes read streams whose URLs are alike into
// one cursor file, and kills them at random moments.
func TestPromiseCursor(t *testing.T) {
	seed := newSeed(t)
	const streams, last = 3, 400 // at once in one file
	for i := range cases(t, 2) {
		url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
			if n >= last {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			for n++; n <= last; n++ {
				if _, err := fmt.Fprintf(w, "id: %d\nretry: 0\ndata: %s %d\n\n", n, r.URL.RawQuery, n); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				if n%97 == 0 {
					return // a drop that listen mends
				}
			}
		})
		file := filepath.Join(t.TempDir(), "cursor.json")
		var all sync.WaitGroup
		for s := range streams {
			all.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(i*streams+s)))
				query := []string{"name=a", "token=b", "token=c"}[s] // of which two look the same where tokens are not shown
				next := 1
				for round := 0; next <= last; round++ {
					run := exec.CommandContext(t.Context(), "ssectl", "listen", url+"?"+query, "--format", "data", "--cursor", file)
					out, err := run.StdoutPipe()
					if err == nil {
						err = run.Start()
					}
					if err != nil {
						t.Error(err)
						return
					}
					if round < 12 {
						kill := time.AfterFunc(time.Duration(random.IntN(60)+5)*time.Millisecond, func() { run.Process.Kill() })
						defer kill.Stop()
					}
					text, _ := io.ReadAll(out)
					run.Wait()
					whole := string(text[:strings.LastIndexByte(string(text), '\n')+1])
					for line := range strings.Lines(whole) {
						what, number, _ := strings.Cut(strings.TrimSpace(line), " ")
						n, _ := strconv.Atoi(number)
						if what != query || n > next || n < next-1 {
							t.Errorf("SSECTL_TEST_SEED=%d, case %d, %s, round %d: got %q, want %d or the one before", seed, i, query, round, line, next)
							return
						}
						next = max(next, n+1)
					}
					if round > 40 {
						t.Errorf("SSECTL_TEST_SEED=%d, case %d, %s: at %d after %d rounds", seed, i, query, next, round)
						return
					}
				}
			})
		}
		all.Wait()
	}
}
