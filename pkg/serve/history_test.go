package serve_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

func TestHistoryRefusesInjectionAndAppendAfterTheEnd(t *testing.T) {
	h := &serve.History{}
	if err := h.Append(stream.Event{ID: "1\ndata: x"}); !errors.Is(err, stream.ErrInjection) {
		t.Errorf("a line break in the ID: %v", err)
	}
	h.End()
	if err := h.Append(stream.Event{}); !errors.Is(err, serve.ErrEnded) || h.Len() != 0 || !h.Ended() {
		t.Errorf("append after the end: %v, %d events", err, h.Len())
	}
}

func TestLimitIsWhatLateClientsGet(t *testing.T) {
	h := &serve.History{Limit: 3}
	for i := range 10 {
		h.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: fmt.Sprintf("event %d", i+1)})
	}
	h.End()
	url := start(t, &serve.Handler{History: h})
	if _, got := get(t, url); got != wireOf(8, 9, 10) {
		t.Errorf("from the start: got %q", got)
	}
	if _, got := get(t, url, "Last-Event-ID", "9"); got != wireOf(10) {
		t.Errorf("after 9: got %q", got)
	}
	response, got := get(t, url, "Last-Event-ID", "2")
	if got != wireOf(8, 9, 10) || response.Header.Get("Last-Event-ID") != "7" {
		t.Errorf("after 2, which is gone: position %q, got %q", response.Header.Get("Last-Event-ID"), got)
	}
	if _, got := get(t, url, "Last-Event-ID", "7"); got != wireOf(8, 9, 10) {
		t.Errorf("after 7: got %q", got)
	}
}

// TestBorderOfTheHistory has clients that have just what is no longer kept: they
// missed nothing, wherever a segment of the log ends.
func TestBorderOfTheHistory(t *testing.T) {
	for _, size := range []int{10, 100 << 10} { // events of a few bytes, and such that three fill a segment
		for n := 5; n < 12; n++ {
			h := &serve.History{Limit: 3}
			for i := range n {
				h.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: strings.Repeat("x", size)})
				h.AppendRecord(&stream.Record{Comment: "between", HasComment: true})
			}
			h.End()
			url := start(t, &serve.Handler{History: h, OnUnknownID: serve.UnknownConflict})
			for last := n - 4; last < n; last++ {
				response, got := get(t, url, "Last-Event-ID", fmt.Sprint(last))
				want := 200
				if last < n-3 {
					want = 409
				}
				if response.StatusCode != want || want == 200 && strings.Count(got, "data: ") != n-last {
					t.Errorf("%d events of %d bytes, after %d: status %d, %d events", n, size, last, response.StatusCode, strings.Count(got, "data: "))
				}
			}
		}
	}
	h := &serve.History{Limit: 2}
	for _, id := range []string{"1", "", "", ""} {
		h.Append(stream.Event{ID: id, Data: "x"})
	}
	h.End()
	if response, _ := get(t, start(t, &serve.Handler{History: h, OnUnknownID: serve.UnknownConflict}), "Last-Event-ID", "1"); response.StatusCode != 409 {
		t.Errorf("after an event that another one without ID followed: status %d, want 409", response.StatusCode)
	}
}

// TestResumeDuringTrim asks for the newest ID while the history lets go of others.
func TestResumeDuringTrim(t *testing.T) {
	h := &serve.History{Limit: 4}
	stop, done := make(chan struct{}), make(chan struct{})
	var newest atomic.Int64
	go func() {
		defer close(done)
		for i := int64(1); ; i++ {
			h.Append(stream.Event{ID: fmt.Sprint(i), Data: strings.Repeat("x", 200<<10)})
			newest.Store(i)
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for newest.Load() < 10 {
		runtime.Gosched()
	}
	for range 300 {
		before := newest.Load()
		if !serve.Knows(h, fmt.Sprint(before)) && newest.Load() < before+2 {
			t.Fatalf("ID %d is not known", before)
		}
	}
	close(stop)
	<-done
}

// A long stream through a short history, with clients that come, follow,
// leave and resume: each sees every event once and in order, as long as it
// resumes before what it needs is gone.
func TestClientsOfATrimmedHistory(t *testing.T) {
	const events, readers = 30000, 8
	history := &serve.History{Limit: 20000}
	url := start(t, &serve.Handler{History: history})
	var wg sync.WaitGroup
	ready := make(chan struct{}, readers)
	var passed [readers]chan struct{} // one for each 5,000 events that a reader has got
	for i := range passed {
		passed[i] = make(chan struct{}, events/5000)
	}
	for reader := range readers {
		wg.Go(func() {
			d := stream.NewDecoder(nil)
			next := 1
			for connection := 0; next <= events; connection++ {
				request, _ := http.NewRequest("GET", url, nil)
				request.Header.Set("Last-Event-ID", d.LastEventID())
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				d.Reset(response.Body)
				if connection == 0 {
					ready <- struct{}{}
				}
				for until := next + 500*(reader+1); next <= events && next < until; next++ {
					event, err := d.Event()
					if err != nil || event.ID != fmt.Sprint(next) {
						t.Errorf("reader %d: got %q, %v; want %d", reader, event.ID, err, next)
						response.Body.Close()
						return
					}
					if next%5000 == 0 {
						passed[reader] <- struct{}{}
					}
				}
				response.Body.Close()
			}
		})
	}
	for range readers {
		<-ready
	}
	for i := range events {
		history.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: strings.Repeat("x", i%500)})
		if i%5000 == 4999 && i > 10000 { // let nobody fall 20,000 behind
			for _, one := range passed {
				select {
				case <-one:
				case <-time.After(time.Minute):
					t.Fatal("a reader is stuck")
				}
			}
		}
	}
	wg.Wait()
}

func TestTypes(t *testing.T) {
	h := &serve.History{}
	for i := range 3000 {
		h.Append(stream.Event{Type: fmt.Sprint("type ", i/2)})
		h.Append(stream.Event{})
	}
	types := h.Types()
	if len(types) != 1000 || types[0] != "type 0" || types[1] != "message" || types[2] != "type 1" {
		t.Errorf("%d types, %q...", len(types), types[:3])
	}
}

func TestRecordingOfSeveralResponsesBecomesOneStream(t *testing.T) {
	// The second response began with a byte order mark, the first was cut.
	recording := `{"meta":{"url":"http://a/"}}
{"event":"message","data":"a"}
{"raw":"data: unfini","incomplete":true}
{"meta":{"reconnect":1}}
{"event":"message","data":"b","raw":"\ufeffdata:b\n\n"}
`
	source, _, err := serve.NewSource(strings.NewReader(recording), serve.FormatAuto, 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &serve.History{}
	if err := h.Load(source); err != nil {
		t.Fatal(err)
	}
	if _, got := get(t, start(t, &serve.Handler{History: h})); got != "data: a\n\ndata:b\n\n" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkAppend(b *testing.B) {
	h := &serve.History{Limit: 10000}
	event := stream.Event{ID: "12345678", Data: strings.Repeat("x", 200)}
	b.SetBytes(200)
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Append(event); err != nil {
			b.Fatal(err)
		}
	}
}

// A live input may send anything but events for ever.
func TestIdleInputIsNotKept(t *testing.T) {
	for _, record := range []stream.Record{{Raw: []byte("\r")}, {Comment: "c"}, {Raw: []byte("id: 1\n\n"), Event: stream.Event{ID: "1"}}} {
		h := &serve.History{Limit: 20}
		h.Append(stream.Event{ID: "first"})
		for range 2_000_000 {
			if err := h.AppendRecord(&record); err != nil {
				t.Fatal(err)
			}
		}
		if size := serve.Memory(h); size > 16<<20 {
			t.Errorf("%q: the history takes %d MiB", record.Raw, size>>20)
		}
	}
}
