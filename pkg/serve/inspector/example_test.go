package inspector_test

import (
	"log"
	"net/http"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
)

// A browser that opens / gets a page with the stream of the first route.
func ExampleNew() {
	mux := &serve.Mux{Routes: []serve.Route{{Path: "/events", Handler: &serve.Handler{History: &serve.History{}}}}}
	defer mux.Close()
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", inspector.New(mux)))
}
