package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/relay"
)

// api is a server that sends three events.
func api() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", n+1)
		}
	}))
}

// A printer prints what passes.
type printer struct{ request *exchange.Request }

func (p printer) Response(r *exchange.Response) {
	fmt.Println(p.request.Method, p.request.URL.Path, r.Status)
}
func (p printer) Event(r *record.Record) { fmt.Println("event", r.Data) }
func (p printer) Body([]byte)            {}
func (p printer) End(e exchange.End)     { fmt.Println(e) }

func Example() {
	server := api()
	defer server.Close()
	upstream, _ := url.Parse(server.URL + "/v1")
	handler := &relay.Relay{
		Upstream: upstream,
		Watch:    func(r *exchange.Request) exchange.Watcher { return printer{r} },
	}
	defer handler.Close()
	front := httptest.NewServer(&relay.Guard{Handler: handler})
	defer front.Close()

	response, err := http.Get(front.URL + "/events")
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	// Output:
	// GET /v1/events 200
	// event 1
	// event 2
	// event 3
	// whole
}

func ExampleRelay_faults() {
	server := api()
	defer server.Close()
	upstream, _ := url.Parse(server.URL)
	drop, _ := fault.Parse("drop@2:GET #1")
	handler := &relay.Relay{Upstream: upstream, Faults: []fault.Fault{drop}}
	defer handler.Close()
	front := httptest.NewServer(handler)
	defer front.Close()

	for range 2 {
		response, err := http.Get(front.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Printf("%q %v\n", body, err)
	}
	// Output:
	// "data: 1\n\ndata: 2\n\n" unexpected EOF
	// "data: 1\n\ndata: 2\n\ndata: 3\n\n" <nil>
}
