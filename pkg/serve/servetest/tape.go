package servetest

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/relay"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

// RecordVariable is the variable in the environment that makes [Tape] record anew,
// if it is not empty.
const RecordVariable = "SSECTL_TEST_RECORD"

// Tape returns the base URL of a server that answers from the recordings in dir:
// the answers of upstream when the test ran for the first time. If there are none
// yet, or the variable SSECTL_TEST_RECORD is set, requests go to upstream, and are
// recorded; older recordings in dir are removed before, and new ones if the test
// fails. Secrets do not get into the
// files, so they can be checked in with the test.
//
// Each answer comes at once and ends as it did. A request that nothing matches
// fails the test, with the recording that is nearest to it and the differences; the
// client gets status 501. Options change how requests are compared, and the pace;
// there may be one at most.
func Tape(t testing.TB, dir, upstream string, options ...tape.Options) string {
	t.Helper()
	var o tape.Options
	if len(options) > 0 {
		o = options[0]
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatalf("servetest: %v", err)
	}
	if record := os.Getenv(RecordVariable) != ""; record || len(files) == 0 {
		for _, file := range files {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("servetest: %v", err)
			}
		}
		return recorded(t, dir, upstream)
	}
	if o.Wait == nil {
		o.Wait = func(time.Duration, bool) time.Duration { return 0 }
	}
	log := logger{t: t}
	played := o.Played
	o.Played = func(p tape.Play) {
		if p.Status == http.StatusNotImplemented && p.Name == "" {
			log.fail(fmt.Sprintf("servetest: %s: %s (%s=1 records anew)", dir, p.End, RecordVariable))
		}
		if played != nil {
			played(p)
		}
	}
	player, err := tape.Open(dir, o)
	if err != nil {
		t.Fatalf("servetest: %v", err)
	}
	return start(t, player, func() {}, log.stop)
}

// recorded returns the base URL of a server that records the answers of upstream.
func recorded(t testing.TB, dir, upstream string) string {
	t.Helper()
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatalf("servetest: upstream: %v", err)
	}
	log := logger{t: t}
	recorder := &tape.Recorder{Dir: dir, Upstream: u, Failed: func(err error) { log.fail(fmt.Sprintf("servetest: %v", err)) }}
	if err := recorder.Open(); err != nil {
		t.Fatalf("servetest: %v", err)
	}
	t.Logf("servetest: recording %s to %s", u.Redacted(), dir)
	r := &relay.Relay{Upstream: u, Watch: exchange.Watch(recorder.Watch)}
	// A client may have all of an answer before the exchange is over here.
	var busy sync.WaitGroup
	h := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		busy.Add(1)
		defer busy.Done()
		r.ServeHTTP(w, request)
	})
	end := func() {
		ended := make(chan struct{})
		go func() {
			busy.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(endTimeout): // a stream without end
		}
	}
	return start(t, h, end, func() {
		r.Close()
		recorder.Close()
		log.stop()
		if t.Failed() { // or the next run would play the failed one
			files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
			for _, file := range files {
				os.Remove(file)
			}
		}
	})
}

// endTimeout is how long exchanges have to end by themselves after the test.
const endTimeout = time.Second

// start starts a server until the test ends. Then end lets exchanges end, and
// stop ends those that did not.
func start(t testing.TB, h http.Handler, end, stop func()) string {
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		end()
		server.CloseClientConnections()
		stop()
		server.Close()
	})
	return server.URL
}

// A logger writes to the log of a test until that is over.
type logger struct {
	t testing.TB

	mu   sync.Mutex // guards over
	over bool
}

func (l *logger) fail(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.t.Error(text)
	}
}

func (l *logger) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}
