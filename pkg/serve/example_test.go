package serve_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

func Example() {
	history := &serve.History{Limit: 1000}
	handler := &serve.Handler{History: history}
	defer handler.Close()
	server := httptest.NewServer(handler)
	defer server.Close()

	response, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	history.Append(stream.Event{ID: "1", Data: "hello"})
	history.Append(stream.Event{ID: "2", Type: "bye", Data: "see you"})
	history.End()

	for event := range stream.NewDecoder(response.Body).Events() {
		fmt.Println(event.ID, event.Type, event.Data)
	}
	// Output:
	// 1 message hello
	// 2 bye see you
}

func ExampleHistory_Load() {
	input := `{"event":"tick","data":{"n":1}}
{"event":"tick","data":{"n":2},"delay":"50ms"}
`
	source, format, err := record.Read(strings.NewReader(input), record.FormatAuto, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	var history serve.History
	err = history.Load(record.NumberIDs(source, record.IDsAuto))
	fmt.Println(format, history.Len(), err)
	// Output: jsonl 2 <nil>
}

func ExampleHandler_faults() {
	cut, err := fault.Parse("drop@2")
	if err != nil {
		fmt.Println(err)
		return
	}
	history := &serve.History{}
	for _, word := range []string{"one", "two", "three"} {
		history.Append(stream.Event{Data: word})
	}
	handler := &serve.Handler{History: history, Options: serve.Options{Faults: []fault.Fault{cut}}}
	defer handler.Close()
	server := httptest.NewServer(handler)
	defer server.Close()

	response, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%s%v\n", body, err)
	// Output:
	// data: one
	//
	// data: two
	//
	// unexpected EOF
}

func ExampleParsePace() {
	pace, err := serve.ParsePace("20/s")
	fmt.Println(pace.Every, err)
	_, err = serve.ParsePace("often")
	fmt.Println(err)
	// Output:
	// 50ms <nil>
	// pace "often": want instant, an interval ("500ms"), a rate ("100/s") or recorded
}

func ExampleHandler_recorder() {
	// Where the connection cannot be taken over, the handler writes to the
	// ResponseWriter like any other.
	history := &serve.History{}
	history.Append(stream.Event{Data: "hello"})
	history.End()
	recorder := httptest.NewRecorder()
	(&serve.Handler{History: history, Options: serve.Options{CloseEvent: "done"}}).ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
	fmt.Print(recorder.Body)
	// Output:
	// data: hello
	//
	// event: done
	// data:
}

func ExampleMux() {
	stream := func(data string) *serve.Handler {
		history := &serve.History{}
		history.Append(stream.Event{Data: data})
		history.End()
		return &serve.Handler{History: history}
	}
	mux := &serve.Mux{Routes: []serve.Route{
		{Path: "/feed", Handler: stream("feed")},
		{Method: "POST", Path: "/models/{name}", Handler: stream("answer")},
	}}
	defer mux.Close()
	for _, request := range []*http.Request{
		httptest.NewRequest("GET", "/feed", nil),
		httptest.NewRequest("POST", "/models/large", nil),
		httptest.NewRequest("GET", "/models/large", nil),
	} {
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, request)
		fmt.Printf("%d %q\n", recorder.Code, recorder.Body)
	}
	// Output:
	// 200 "data: feed\n\n"
	// 200 "data: answer\n\n"
	// 405 "ssectl serve: want POST\n"
}
