package protocol_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
)

// A handler serves a fake.
func ExampleNew() {
	service, err := protocol.New("graphql", protocol.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := fake.NewHandler(fake.Options{Service: service})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	r, _ := http.NewRequest("POST", server.URL+"/graphql", strings.NewReader(`{"query": "subscription { tide }", "variables": {"port": "Wick"}}`))
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	fmt.Printf("%s", text)
	// Output:
	// event: next
	// data: {"data":{"port":"Wick"}}
	//
	// event: complete
	// data:
}
