package diag_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
)

// A test of your own server: every check has to pass.
func ExampleRun() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>Log in</title>")
	}))
	defer server.Close()

	ctx := context.Background() // in a test, t.Context()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := diag.Run(ctx, request, diag.Options{Duration: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Outcome)
	for _, check := range report.Checks {
		if check.Status == diag.Fail {
			fmt.Printf("%s: %s\n", check.ID, check.Actual)
		}
	}
	// Output:
	// fail
	// content-type: text/html; charset=utf-8, not text/event-stream
	// frame-html: the answer is an HTML page, titled "Log in"
}

// Only some checks, one of which must not be left undecided.
func ExampleOptions() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 50\n\ndata: hello\n\n")
	}))
	defer server.Close()

	ctx := context.Background()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := diag.Run(ctx, request, diag.Options{
		Quick:   true,
		Only:    []string{"retry-value", "frame-utf8"},
		Require: []string{"frame-utf8"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, check := range report.Checks {
		fmt.Println(check.ID, check.Status)
	}
	// Output:
	// frame-utf8 pass
	// retry-value fail
}

// The report as JSON, as "ssectl diag --format json" writes it, read back.
func ExampleReport() {
	saved := []byte(`{"schema": "ssectl.diag/1", "outcome": "fail", "checks": [
		{"id": "cache-control", "status": "warn", "actual": "missing: shared caches may keep the stream",
		 "remedies": [{"for": "app", "text": "Cache-Control: no-cache, no-transform"}]}]}`)

	var report diag.Report
	if err := json.Unmarshal(saved, &report); err != nil {
		fmt.Println(err)
		return
	}
	for _, check := range report.Checks {
		fmt.Printf("%s %s: %s\n", check.Status, check.ID, check.Actual)
		for _, remedy := range check.Remedies {
			fmt.Printf("  try %s: %s\n", remedy.For, remedy.Text)
		}
	}
	// Output:
	// warn cache-control: missing: shared caches may keep the stream
	//   try app: Cache-Control: no-cache, no-transform
}

// The catalog: the checks that need an option.
func ExampleChecks() {
	for check := range diag.Checks() {
		if check.Group == "cors" && check.Needs != "" {
			fmt.Println(check.ID, check.Needs)
		}
	}
	// Output:
	// cors-origin WebOrigin
	// cors-credentials Credentials
}
