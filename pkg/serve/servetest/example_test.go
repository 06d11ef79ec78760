package servetest_test

import (
	"net/http"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/servetest"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A client must come back after a cut, and go on after the last event it has.
func ExampleNew() {
	var t *testing.T // of the test

	server := servetest.New(t, []stream.Event{{ID: "1", Data: "a"}, {ID: "2", Data: "b"}}, "drop@1")
	response, err := http.Get(server.URL) // or the client to be tested
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// A live stream gets its events while clients listen.
func ExampleNewLive() {
	var t *testing.T // of the test

	server := servetest.NewLive(t)
	go func() {
		server.History.Append(stream.Event{Data: "hello"})
		server.History.End()
	}()
	http.Get(server.URL)
}

// The events of a file in any format that ssectl reads.
func ExampleNewFile() {
	var t *testing.T // of the test

	server := servetest.NewFile(t, "testdata/events.jsonl", "reset@5")
	http.Get(server.URL)
}

// The first run of the test asks the service and records its answers, later ones
// need neither the service nor a key.
func ExampleTape() {
	var t *testing.T // of the test

	base := servetest.Tape(t, "testdata/tape", "https://api.example.com")
	http.Get(base + "/v1/models") // or the client to be tested
}
