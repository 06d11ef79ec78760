package servecmd

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/serve"
)

func TestHandlerIsWhatTheFlagsSay(t *testing.T) {
	opts := &options{
		Pace: "100/s", Speed: 2, Jitter: "20%", Loop: "3",
		AtEnd: "hold", CloseEvent: "bye", OnUnknownID: "gap",
		Headers: []string{"x-a: 1", "X-A:2"}, CORS: "https://example.com", RetryHint: time.Second,
		Heartbeat: 0, MaxClients: 7, WriteTimeout: time.Minute, Stamp: true, Clock: time.Second,
	}
	got, err := opts.handler()
	if err != nil {
		t.Fatal(err)
	}
	want := &serve.Handler{
		Options: serve.Options{Pace: serve.Pace{Every: 10 * time.Millisecond, Speed: 2, Jitter: 0.2},
			Rounds: 3, AtEnd: serve.EndHold, CloseEvent: "bye", StartLive: true, OnUnknownID: serve.UnknownGap,
			Heartbeat: -1, RetryHint: time.Second, Header: http.Header{"X-A": {"1", "2"}}, CORS: "https://example.com",
			MaxClients: 7, WriteTimeout: time.Minute, Stamp: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoopWithoutNumberIsForEver(t *testing.T) {
	h, err := (&options{Speed: 1, Loop: "forever"}).handler()
	if err != nil || h.AtEnd != serve.EndLoop {
		t.Errorf("at end %q, %v; want loop", h.AtEnd, err)
	}
}

func TestRefusesFlags(t *testing.T) {
	for name, opts := range map[string]*options{
		"pace":        {Speed: 1, Pace: "often"},
		"speed":       {Speed: 0},
		"jitter":      {Speed: 1, Jitter: "-1%"},
		"loop":        {Speed: 1, Loop: "0"},
		"header":      {Speed: 1, Headers: []string{"a b: c"}},
		"injection":   {Speed: 1, Headers: []string{"a: b\r\nc: d"}},
		"close event": {Speed: 1, CloseEvent: "a\nb"},
	} {
		if _, err := opts.handler(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFlagsHaveAMeaning refuses each flag that would change nothing, and no other one.
func TestFlagsHaveAMeaning(t *testing.T) {
	for _, test := range []struct {
		opts    options
		refused string // of all flags below
	}{
		{options{relayOptions: relayOptions{Upstream: "x"}}, "loop stamp pace path match"},
		{options{tapeOptions: tapeOptions{Replay: "x"}}, "loop stamp max-event-size path upstream-cert upstream-header-timeout"},
		{options{relayOptions: relayOptions{Upstream: "x"}, tapeOptions: tapeOptions{Replay: "x"}}, "loop stamp path"},
		{options{relayOptions: relayOptions{Upstream: "x"}, Routes: []string{"x"}}, "path match"},
		{options{relayOptions: relayOptions{Upstream: "x"}, File: "x"}, "match"},
		{options{asOptions: asOptions{As: "openai"}}, "loop stamp pace max-event-size path match upstream-cert upstream-header-timeout"},
		{options{File: "x"}, "match upstream-cert upstream-header-timeout"},
	} {
		var refused []string
		for _, flag := range []string{"loop", "stamp", "pace", "max-event-size", "path", "match", "upstream-cert", "upstream-header-timeout", "allow-host", "header", "max-clients", "once"} {
			if test.opts.checkMeaning(func(name string) bool { return name == flag }) != nil {
				refused = append(refused, flag)
			}
		}
		if got := strings.Join(refused, " "); got != test.refused {
			t.Errorf("%+v: refused %s, want %s", test.opts, got, test.refused)
		}
	}
}

// Each flag is in a group of the help and has a value that is named.
func TestFlagsAreInGroups(t *testing.T) {
	c := New(&term.Streams{Out: io.Discard, Err: io.Discard}, "")
	for _, group := range cli.FlagGroups(c) {
		if group.Name() == "Flags" && group.HasAvailableFlags() {
			t.Errorf("without a group:\n%s", group.FlagUsages())
		}
	}
}

// FuzzFlags reads values of flags: those that are taken are within bounds.
func FuzzFlags(f *testing.F) {
	for _, text := range []string{"20%", "1.5", "NaN", "Inf", "-0", "a: b", "a: b\r\nc: d", ":"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if share, err := parseShare(text); err == nil && !(share >= 0 && share <= 1) {
			t.Errorf("%q is taken for %v", text, share)
		}
		if header, err := parseHeaders([]string{text}); err == nil {
			for name, values := range header {
				if strings.ContainsAny(name+values[0], "\r\n\x00") {
					t.Errorf("%q is taken for the header %q: %q", text, name, values[0])
				}
			}
		}
	})
}
