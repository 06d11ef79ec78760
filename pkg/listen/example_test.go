package listen_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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
