package servetest

import (
	"net/http"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// Fake returns the base URL of a server that gives each request the first of the answers
// that matches it. A request that nothing matches fails the test, with the answer that is
// nearest to it and why it does not match; the client gets status 501.
func Fake(t testing.TB, answers ...fake.Answer) string {
	t.Helper()
	return FakeWith(t, fake.Options{Answers: answers})
}

// FakeDir is Fake with the answers in the YAML and JSON files of a directory, which
// docs/fakes.md describes.
func FakeDir(t testing.TB, dir string) string {
	t.Helper()
	answers, err := fake.Load(dir, fake.LoadOptions{})
	if err != nil {
		t.Fatalf("servetest: %v", err)
	}
	if len(answers) == 0 {
		t.Fatalf("servetest: %s: no answers in it", dir)
	}
	return Fake(t, answers...)
}

// FakeWith is Fake with all options: faults, a service that answers what no answer
// matches, and others.
func FakeWith(t testing.TB, options fake.Options) string {
	t.Helper()
	log := logger{t: t}
	played := options.Played
	options.Played = func(p fake.Play) {
		if p.Status == http.StatusNotImplemented && p.Name == "" {
			log.fail("servetest: " + p.End)
		}
		if played != nil {
			played(p)
		}
	}
	h, err := fake.NewHandler(options)
	if err != nil {
		t.Fatalf("servetest: %v", err)
	}
	return start(t, h, func() {}, log.stop)
}
