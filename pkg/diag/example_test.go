package diag_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
)

// A login page where a stream was meant to be is the most usual fault.
func ExampleRun() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>Log in</title>")
	}))
	defer server.Close()

	request, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report := diag.Run(context.Background(), diag.Config{Client: &http.Client{}, Request: request, Duration: time.Second})
	fmt.Println(report.Outcome)
	for _, check := range report.Checks {
		if check.Status == diag.Fail {
			fmt.Printf("%s: %s\n", check.ID, check.Actual)
		}
	}
	// Output:
	// fail
	// content-type: text/html; charset=utf-8, not text/event-stream
	// frame-html: an HTML page came, titled "Log in"
}
