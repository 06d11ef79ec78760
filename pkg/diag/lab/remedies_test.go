package main

import (
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
	"github.com/ssectl/ssectl/pkg/diag/lab/internal/lab"
)

// TestRemediesCure has diag find streams that nginx holds, applies the remedies
// of the report to nginx or to the application, word for word, and looks again.
func TestRemediesCure(t *testing.T) {
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("SSECTL_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip("no nginx")
	}
	var all sync.WaitGroup
	for _, sick := range []struct {
		name    string
		traffic lab.Traffic
		check   string
	}{
		{"nginx, buffering on, HTTP/1.0", lab.Steady, "buffer-proxy"},
		{"nginx, buffering on, HTTP/1.1", lab.Large, "buffer-tail"},
		{"nginx, buffering on, HTTP/1.1", lab.Silent, "headers-early"},
		{"nginx, gzip, buffering on", lab.Silent, "headers-early"},
	} {
		setup := lab.Setups[slices.IndexFunc(lab.Setups, func(s lab.Setup) bool { return s.Name == sick.name })]
		all.Go(func() {
			before := lab.Run(t.Context(), setup, sick.traffic, 8*time.Second)
			if before.Err != nil {
				t.Errorf("%s: %v", sick.name, before.Err)
				return
			}
			remedies := cures(before.Report, sick.check)
			if len(remedies) == 0 {
				t.Errorf("%s, %s: %s did not fail: %v", sick.name, sick.traffic, sick.check, before.Found)
			}
			for _, remedy := range remedies {
				all.Go(func() {
					after := lab.Run(t.Context(), apply(setup, remedy), sick.traffic, 8*time.Second)
					if after.Err != nil || after.Failed {
						t.Errorf("%s, %s: after %q: %v, error %v", sick.name, sick.traffic, remedy.Text, after.Found, after.Err)
					}
				})
			}
		})
	}
	all.Wait()
}

// cures are the remedies that the report prints for a failed check and that can
// be applied as they are: lines for a location of nginx, or a header.
func cures(report *diag.Report, id string) []diag.Remedy {
	var list []diag.Remedy
	for _, c := range report.Checks {
		if c.ID != id || c.Status != diag.Fail {
			continue
		}
		for _, remedy := range c.Remedies {
			isLines := remedy.For == "nginx" && strings.HasPrefix(remedy.Text, "proxy_buffering")
			if isLines || remedy.For == "app" && strings.HasPrefix(remedy.Text, "X-Accel-Buffering") {
				list = append(list, remedy)
			}
		}
	}
	return list
}

// apply applies a remedy.
func apply(setup lab.Setup, remedy diag.Remedy) lab.Setup {
	if remedy.For == "app" {
		name, value, _ := strings.Cut(remedy.Text, ": ")
		setup.Header = http.Header{name: {value}}
		return setup
	}
	// The directives that the location had before would be given twice.
	location := "location / { proxy_pass http://$UPSTREAM; "
	from := strings.Index(setup.Config, location) + len(location)
	end := from + strings.Index(setup.Config[from:], "}")
	kept := strings.ReplaceAll(setup.Config[from:end], lab.UpstreamHTTP11, "")
	setup.Config = setup.Config[:from] + kept + remedy.Text + setup.Config[end:]
	return setup
}
