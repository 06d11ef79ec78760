package diagcmd

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

func TestConfig(t *testing.T) {
	opts := &options{
		Curl: curl.New(&term.Streams{}, ""), URL: ":8080/events", Format: "text", FailOn: "warn", Profile: "openai", Connections: 2,
		Duration: 5 * time.Second, Soak: time.Minute, Origin: "10.0.0.7:3000", Only: []string{"buffering", "resume"}, Reports: []string{"junit=a=b.xml", "json=c.json"},
	}
	files, err := opts.validate()
	if err != nil {
		t.Fatal(err)
	}
	if want := []reportFile{{format: "junit", name: "a=b.xml"}, {format: "json", name: "c.json"}}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	request, cfg, err := opts.config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := request.URL.String(); got != "http://localhost:8080/events" {
		t.Errorf("URL %s", got)
	}
	if cfg.OtherRequest != nil {
		t.Error("another user, where none was given")
	}
	if cfg.OriginURL != "http://10.0.0.7:3000" || cfg.Soak != time.Minute || cfg.FailOn != diag.Warn || cfg.Profile != diag.ProfileOpenAI || cfg.Connections != 2 {
		t.Errorf("config %+v", cfg)
	}
	if _, ok := cfg.Client.Transport.(*http.Transport); !ok {
		t.Errorf("the probe needs the transport itself, got %T", cfg.Client.Transport)
	}
}

// TestOtherHeader has headers of another user take the place of those of the first.
func TestOtherHeader(t *testing.T) {
	opts := &options{
		Curl: curl.New(&term.Streams{}, ""), URL: ":8080/events",
		Other: []string{"Authorization: Bearer other", "Cookie:", "X-Role: a", "X-Role: b"},
	}
	opts.Curl.Headers = []string{"Authorization: Bearer first", "Cookie: session=1", "X-Role: c", "X-Tenant: one"}
	request, cfg, err := opts.config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2][]string{
		"Authorization": {{"Bearer first"}, {"Bearer other"}}, "Cookie": {{"session=1"}, nil}, "X-Role": {{"c"}, {"a", "b"}}, "X-Tenant": {{"one"}, {"one"}},
	} {
		if first, other := request.Header.Values(name), cfg.OtherRequest.Header.Values(name); !slices.Equal(first, want[0]) || !slices.Equal(other, want[1]) {
			t.Errorf("%s: %q and %q, want %q", name, first, other, want)
		}
	}
	opts.Other = []string{"Bearer other"}
	if _, _, err := opts.config(t.Context()); err == nil || err.Error() != `--other-header: no colon; want "Name: value"` {
		t.Errorf("a header without a colon: %v", err)
	}
}
