package fake_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// A sequence of answers to one route, with a value of the request.
func ExampleParse() {
	answers, err := fake.Parse("chat.yaml", []byte(`
- match: POST /chat
  times: 1
  answer: {status: 429, json: {error: slow down}}
- match: POST /chat
  answer: {json: {id: {jq: .json.id}}}
`), "", fake.LoadOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := fake.NewHandler(fake.Options{Answers: answers})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("POST", "/chat", strings.NewReader(`{"id":7}`)))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 429 {"error":"slow down"}
	// 200 {"id":7}
}

// An answer that is made by a function.
func ExampleHandler() {
	handler, err := fake.NewHandler(fake.Options{Answers: []fake.Answer{{
		Match: fake.Match{Path: "/models/{name}"},
		Make: func(r *fake.Request) (*fake.Reply, error) {
			return fake.JSON(200, map[string]string{"id": r.Params["name"]}), nil
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/models/m-1", nil))
	fmt.Println(w.Body)
	// Output: {"id":"m-1"}
}
