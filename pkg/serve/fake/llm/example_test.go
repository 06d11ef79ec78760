package llm_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/llm"
)

// A fake of a model, for a test of its client.
func Example() {
	service, err := llm.New("anthropic", llm.Options{Text: "Low water is at noon."})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := fake.NewHandler(fake.Options{Service: service})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	response, err := http.Post(server.URL+"/v1/messages/count_tokens", "application/json",
		strings.NewReader(`{"model": "any", "messages": [{"role": "user", "content": "When is low water?"}]}`))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Println(string(body))
	// Output: {"input_tokens":4}
}
