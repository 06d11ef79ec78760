package listen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/listen"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// newServer starts a server of three events that cuts its connection after the
// second.
func newServer() (url string, stop func()) {
	history := &serve.History{}
	for i, data := range []string{"a", "b", "c"} {
		history.Append(stream.Event{ID: fmt.Sprint(i + 1), Data: data})
	}
	history.End()
	cut, _ := fault.Parse("drop@2")
	handler := &serve.Handler{History: history, Options: serve.Options{Faults: []fault.Fault{cut}}}
	server := httptest.NewServer(handler)
	return server.URL, func() {
		handler.Close()
		server.Close()
	}
}

// A stream continues over a drop; a 204 of the server is its end.
func Example() {
	url, stop := newServer()
	defer stop()
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	s := listen.New(req, listen.Options{
		Backoff: listen.Backoff{Delay: time.Millisecond},
		OnChange: func(change listen.Change) {
			if c, ok := change.(listen.Connected); ok && c.Resumed {
				fmt.Println("resumed after", c.Asked.LastEventID)
			}
		},
	})
	for event, err := range s.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.ID, event.Data)
	}
	// Output:
	// 1 a
	// 2 b
	// resumed after 2
	// 3 c
}

// A position can be kept, for a later run to go on there.
func ExampleStream_Position() {
	url, stop := newServer()
	defer stop()
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	first := listen.New(req, listen.Options{})
	first.Next()
	position := first.Position()
	first.Close()

	second := listen.New(req, listen.Options{Start: position})
	defer second.Close()
	event, err := second.Next()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", event.Data())
	// Output: b
}

// An answer to a POST is cut. The service hands the rest over by GET, from the
// position on that the events have; the POST is not sent again.
func ExampleOptions_continue() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL)
		w.Header().Set("Content-Type", stream.ContentType)
		if r.Method == http.MethodPost {
			fmt.Fprint(w, "data: {\"id\":\"r1\",\"sequence\":0}\n\ndata: {\"id\":\"r1\",\"seq") // cut
			return
		}
		fmt.Fprint(w, "data: {\"id\":\"r1\",\"sequence\":1,\"last\":true}\n\n")
	}))
	defer server.Close()
	var seen struct {
		ID       string
		Sequence int
		Last     bool
	}
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/answers", strings.NewReader("{}"))
	s := listen.New(req, listen.Options{
		Backoff: listen.Backoff{Delay: time.Millisecond},
		Continue: func(cut listen.Cut) *http.Request {
			if seen.ID == "" || seen.Last {
				return nil
			}
			rest := fmt.Sprintf("%s/answers/%s?after=%d", server.URL, seen.ID, seen.Sequence)
			next, _ := http.NewRequestWithContext(cut.Sent.Context(), http.MethodGet, rest, nil)
			return next
		},
	})
	for event, err := range s.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		json.Unmarshal([]byte(event.Data), &seen)
		fmt.Println(event.Data)
	}
	// Output:
	// POST /answers
	// {"id":"r1","sequence":0}
	// GET /answers/r1?after=0
	// {"id":"r1","sequence":1,"last":true}
}

// An answer that is no event stream is an error with the facts in it.
func ExampleResponseError() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, nil)
	_, err := listen.New(req, listen.Options{}).Next()
	var refused *listen.ResponseError
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.ContentType)
	}
	// Output: 404 text/plain; charset=utf-8
}

// A URL with ws opens a WebSocket. Where messages have IDs is up to the caller.
func ExampleWebSocket() {
	url, stop := newServer()
	defer stop()
	url = strings.Replace(url, "http://", "ws://", 1) + "?format=jsonl"
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	s := listen.New(req, listen.Options{
		Backoff: listen.Backoff{Delay: time.Millisecond},
		WebSocket: listen.WebSocket{Describe: func(text []byte) (id, eventType string) {
			var message struct{ ID string }
			json.Unmarshal(text, &message)
			return message.ID, ""
		}},
	})
	for event, err := range s.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.ID, event.Data)
	}
	// Output:
	// 1 {"event":"message","id":"1","data":"a"}
	// 2 {"event":"message","id":"2","data":"b"}
	// 3 {"event":"message","id":"3","data":"c"}
}
