package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/stream"
)

// fastText returns events that fill large reads.
func fastText(events int) (text []byte) {
	for i := range events {
		text = fmt.Appendf(text, "id: %d\ndata: {\"n\":%d,\"text\":\"%x\"}\n\n", i, i*i, i*7919)
	}
	return text
}

// A stream may be fast, slow, and fast again, and end anyhow: the client has each byte, and
// the watcher each event.
func TestFastStreams(t *testing.T) {
	const events = 60_000
	fast := fastText(events)
	for _, ending := range []string{"whole", "cut"} {
		t.Run(ending, func(t *testing.T) {
			got := make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				control := http.NewResponseController(w)
				for range 3 {
					w.Write(fast)
					for i := range 3 {
						fmt.Fprintf(w, "data: slow %d\n\n", i)
						control.Flush()
						select {
						case <-got: // by the client, before anything else is sent
						case <-r.Context().Done():
						}
					}
				}
				if ending == "cut" {
					panic(http.ErrAbortHandler)
				}
			}))
			defer upstream.Close()
			watch, watched := watchAll()
			s := start(t, &Relay{Watch: watch}, upstream.URL)
			s.Start()
			response, err := http.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var want bytes.Buffer
			read := func(text []byte) {
				t.Helper()
				want.Write(text)
				part := make([]byte, len(text))
				if _, err := io.ReadFull(response.Body, part); err != nil || !bytes.Equal(part, text) {
					t.Fatalf("other bytes, or %v", err)
				}
			}
			for range 3 {
				read(fast)
				for i := range 3 {
					read(fmt.Appendf(nil, "data: slow %d\n\n", i))
					got <- struct{}{}
				}
			}
			if n, err := response.Body.Read(make([]byte, 1)); n != 0 || (err == io.EOF) != (ending == "whole") {
				t.Errorf("at the end %d bytes, %v", n, err)
			}
			seen := (<-watched).wait(t)
			if how := seen.end.How; (how == exchange.Whole) != (ending == "whole") || seen.end.Events != 3*(events+3) || seen.end.Bytes != int64(want.Len()) {
				t.Errorf("ended %s after %d events, %d bytes", how, seen.end.Events, seen.end.Bytes)
			}
			if seen.text(t) != want.String() {
				t.Error("the watcher has other bytes")
			}
			for i, e := range seen.events {
				if i > 0 && e.Time.Before(seen.events[i-1].Time) {
					t.Fatalf("event %d has an earlier time than the one before", i)
				}
			}
		})
	}
}

// What is too large for an event passes a fast stream whole.
func TestFastStreamWithALargeEvent(t *testing.T) {
	text := append(fastText(60_000), "data: "+string(bytes.Repeat([]byte("x"), 4<<20))+"\n\n"...)
	text = append(text, fastText(60_000)...)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Write(text)
	}))
	defer upstream.Close()
	watch, watched := watchAll()
	s := start(t, &Relay{Watch: watch, MaxEventSize: 1 << 20}, upstream.URL)
	s.Start()
	response, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d of %d bytes, %v", len(got), len(text), err)
	}
	seen := (<-watched).wait(t)
	if size := (*stream.SizeError)(nil); !errors.As(seen.end.Unseen, &size) || seen.end.How != exchange.Whole || seen.end.Bytes != int64(len(text)) || seen.end.Events != 60_000 {
		t.Errorf("ended %s after %d events, %d bytes: %v", seen.end.How, seen.end.Events, seen.end.Bytes, seen.end.Unseen)
	}
}
