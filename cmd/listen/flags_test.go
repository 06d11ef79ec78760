package listencmd

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/listen"
)

// parseListen returns the options of a command line of listen.
func parseListen(t *testing.T, line string) (*options, error) {
	t.Helper()
	o := &options{Curl: curl.New(&term.Streams{}, "")}
	flags := pflag.NewFlagSet("listen", pflag.ContinueOnError)
	for _, bind := range []func(*pflag.FlagSet){o.bindOutput, o.bindEnding, o.bindReconnection, o.bindResume, o.bindWebSocket, o.bindRecording, o.Curl.Bind} {
		bind(flags)
	}
	return o, flags.Parse(strings.Fields(line))
}

func TestFlagsMean(t *testing.T) {
	standard := listen.Options{
		Resume: listen.ResumeID, Reconnect: listen.ReconnectGET,
		FailFast: true,
		Backoff:  listen.Backoff{Delay: 3 * time.Second, MaxDelay: time.Minute},
	}
	for _, test := range []struct {
		line   string
		change func(*listen.Options)
	}{
		{"", func(*listen.Options) {}},
		{"--reconnect always", func(o *listen.Options) { o.Reconnect = listen.ReconnectAlways }},
		{"--no-reconnect", func(o *listen.Options) { o.Reconnect = listen.ReconnectNever }},
		{"--retry 0", func(o *listen.Options) { o.Reconnect = listen.ReconnectNever }},
		{"--retry 5", func(o *listen.Options) { o.MaxRetries, o.FailFast = 5, false }},
		{"--retry-delay 0", func(o *listen.Options) { o.Backoff.Delay = -1 }},
		{"--retry-delay 1.5 --retry-max-delay 90", func(o *listen.Options) {
			o.Backoff.Delay, o.Backoff.MaxDelay = 1500*time.Millisecond, 90*time.Second
		}},
		{"--retry-max-time 2m --ignore-retry", func(o *listen.Options) { o.MaxRetryTime, o.Backoff.IgnoreServer = 2*time.Minute, true }},
		{"--resume range", func(o *listen.Options) { o.Resume = listen.ResumeRange }},
		{"--resume off", func(o *listen.Options) { o.Resume = listen.ResumeOff }},
		{"--last-event-id 7 --fresh-after 3", func(o *listen.Options) { o.Start.LastEventID, o.FreshAfter = "7", 3 }},
		{"--reconnect-on close,bye --reconnect-on x", func(o *listen.Options) { o.ReconnectOn = []string{"close", "bye", "x"} }},
		{"--idle-timeout 30 --event-timeout 500ms", func(o *listen.Options) { o.IdleTimeout, o.EventTimeout = 30*time.Second, 500*time.Millisecond }},
		{"--max-event-size 64k", func(o *listen.Options) { o.MaxEventSize = 64 << 10 }},
	} {
		o, err := parseListen(t, test.line)
		if err != nil {
			t.Fatalf("%s: %v", test.line, err)
		}
		want := standard
		test.change(&want)
		if got, err := o.config(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", test.line, err, got, want)
		}
	}
}

func TestFlagsRefuse(t *testing.T) {
	for _, line := range []string{"--resume maybe", "-m -1", "-m soon", "--max-event-size 0", "--max-event-size 1x", "--stats=xml", "--color pink", "-n x"} {
		if _, err := parseListen(t, line); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func TestFlagsRefuseEmptyTypes(t *testing.T) {
	for _, line := range []string{"--event=", "--until-event=a,", "--reconnect-on=,"} {
		o, err := parseListen(t, line)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.config(); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func TestParseStatuses(t *testing.T) {
	match, err := parseStatuses("429, 5xx")
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]bool{429: true, 500: true, 599: true, 400: false, 404: false} {
		if match(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
	for _, list := range []string{"5", "5x", "xxx", "5000", "-xx", "500,,"} {
		if _, err := parseStatuses(list); err == nil {
			t.Errorf("%q: no error", list)
		}
	}
}

func TestHelpIsGrouped(t *testing.T) {
	var out bytes.Buffer
	c := New(&term.Streams{Out: &out}, "")
	c.SetOut(&out)
	if err := c.Help(); err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, title := range []string{"Usage:", "Examples:", "Output:", "Ending:", "Reconnection:", "Resuming:", "Recording:", "Connection, as in curl:", "Presets:", "Expressions:", "Exit codes:"} {
		i := strings.Index(out.String(), "\n"+title+"\n")
		if i <= at {
			t.Errorf("%q is missing or out of place", title)
		}
		at = i
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 101 {
			t.Errorf("line of %d: %s", len(line), line)
		}
	}
}

// FuzzStatuses reads lists of statuses: none takes a status that is none.
func FuzzStatuses(f *testing.F) {
	for _, text := range []string{"5xx,429", "5x", "0", "xxx", "١xx", ","} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if on, err := parseStatuses(text); err == nil && on != nil && on(0) {
			t.Errorf("%q takes the status 0", text)
		}
	})
}
