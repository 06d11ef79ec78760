package diag

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// verdicts are the statuses of a report by ID.
func verdicts(r *Report) map[string]Status {
	list := map[string]Status{}
	for _, c := range r.Checks {
		list[c.ID] = c.Status
	}
	return list
}

// TestChosenCheckSpeaks wants every check that is named in the report, with its
// finding of a full run, and so the checks that it refers to.
func TestChosenCheckSpeaks(t *testing.T) {
	held := func() *seen.Observation {
		return seentest.Recording(seentest.Pieces(seen.RoleMain, 800, 4096, 8), seentest.Pieces(seen.RoleConfirm, 800, 4096, 8), seentest.Recorded(seen.RoleUnknownID, 7000, seen.EndClient, 7500))
	}
	full := verdicts(weigh(held(), Options{}))
	if full["buffer-proxy"] != Fail || full["buffer-tail"] != Skip {
		t.Fatalf("buffer-proxy %s, buffer-tail %s: not the stream that is wanted", full["buffer-proxy"], full["buffer-tail"])
	}
	for id, status := range full {
		report := weigh(held(), Options{Only: []string{id}})
		if got := verdicts(report)[id]; got != status {
			t.Errorf("--only %s: %q, in a full run %q", id, got, status)
		}
	}
	report := weigh(held(), Options{Only: []string{"buffer-tail"}})
	if report.Outcome != Fail || verdicts(report)["buffer-proxy"] != Fail || len(report.Checks) != 2 {
		t.Errorf("buffer-tail alone: %s, %+v", report.Outcome, report.Checks)
	}
	if report = weigh(held(), Options{Only: []string{"buffer-tail"}, Skip: []string{"buffer-proxy"}}); len(report.Checks) != 1 {
		t.Errorf("a check that was to be left out is there: %+v", report.Checks)
	}
}

// TestSelected names checks in several ways.
func TestSelected(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  Options
		id   string
		want Status // "" where it must not be there
	}{
		"an option that was not given, by group": {Options{Only: []string{"resume"}}, "resume-hop", ""},
		"the same by its ID":                     {Options{Only: []string{"resume-hop"}}, "resume-hop", Inconclusive},
		"the same with its option":               {Options{Only: []string{"resume"}, OriginURL: "http://origin/"}, "resume-hop", Inconclusive},
		"what a quick run leaves out":            {Options{Quick: true}, "buffer-proxy", ""},
		"a check of those by its ID":             {Options{Only: []string{"buffer-proxy"}, Quick: true}, "buffer-proxy", Inconclusive},
		"the same by its group":                  {Options{Only: []string{"buffering"}, Quick: true}, "buffer-proxy", Inconclusive},
		"required":                               {Options{Require: []string{"buffer-proxy"}, Quick: true}, "buffer-proxy", Inconclusive},
		"what a quick run looks at":              {Options{Only: []string{"frame-eol"}, Quick: true}, "frame-eol", Pass},
	} {
		report := weigh(seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1)), test.cfg)
		if got := verdicts(report)[test.id]; got != test.want {
			t.Errorf("%s: %s is %q, want %q", name, test.id, got, test.want)
		}
	}
}

// TestNothingSelected wants an error, not a report that passes without a check.
func TestNothingSelected(t *testing.T) {
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []Options{
		{Only: []string{"cors"}, Skip: []string{"cors"}},
		{Only: []string{"buffer-proxy"}, Skip: []string{"buffering"}},
	} {
		if _, err := Run(t.Context(), request, options); err == nil || !strings.Contains(err.Error(), "no check is left to run") {
			t.Errorf("only %v without %v: error %v", options.Only, options.Skip, err)
		}
	}
}

// TestRequire fails a run for an undecided check, and not for one that does not
// apply.
func TestRequire(t *testing.T) {
	for id, want := range map[string]Status{
		"resume":     Fail, // no second connection
		"resume-end": Pass, // the stream goes on
		"frame-eol":  Pass,
	} {
		report := weigh(seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1)), Options{Only: []string{id}, Require: []string{id}})
		if report.Outcome != want {
			t.Errorf("%s is %s, outcome %s, want %s", id, report.Checks[0].Status, report.Outcome, want)
		}
	}
}

// TestUsualDoubts keeps out of a report what cannot be decided on most healthy
// streams, unless the check is asked for.
func TestUsualDoubts(t *testing.T) {
	stream := func(role seen.Role, startMS int) *seen.Exchange {
		return seentest.Steady(role, startMS, 700, 14-startMS/700, startMS/700+1)
	}
	healthy := func() *seen.Observation {
		return seentest.Recording(stream(seen.RoleMain, 0), stream(seen.RoleIdentity, 700), stream(seen.RoleSecond, 1400))
	}
	quiet := func() *seen.Observation {
		return seentest.Recording(seentest.Recorded(seen.RoleMain, 0, seen.EndClient, 12_000, seentest.Arrive(3000, seentest.Ev(1, 60)), seentest.Arrive(9000, seentest.Ev(2, 60))))
	}
	for id, o := range map[string]func() *seen.Observation{"buffer-tail": healthy, "heartbeat": quiet} {
		for name, test := range map[string]struct {
			options Options
			status  Status
			outcome Status
		}{
			"in a whole run":    {Options{}, Skip, Pass},
			"by its group":      {Options{Only: []string{"buffering"}}, Skip, Pass},
			"by its ID":         {Options{Only: []string{id}}, Inconclusive, Pass},
			"required":          {Options{Require: []string{id}}, Inconclusive, Fail},
			"required by group": {Options{Only: []string{"buffering"}, Require: []string{"buffering"}}, Inconclusive, Fail},
		} {
			report := weigh(o(), test.options)
			if got := verdicts(report)[id]; got != test.status || report.Outcome != test.outcome {
				t.Errorf("%s %s: %s, outcome %s, want %s, %s", id, name, got, report.Outcome, test.status, test.outcome)
			}
		}
	}
}

// TestRunWithoutClient needs no more than a request.
func TestRunWithoutClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usual := http.DefaultTransport
		defer func() { http.DefaultTransport = usual }()
		http.DefaultTransport = &http.Transport{DialContext: dialInMemory}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, (&fake{}).serve(t).URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		report, err := Run(t.Context(), request, Options{Quick: true, Only: []string{"connect-status"}})
		if err != nil || report.Outcome != Pass {
			t.Errorf("%v, report %+v", err, report)
		}
	})
}

// TestFixFits compares the first remedy with the finding.
func TestFixFits(t *testing.T) {
	answer := func(contentType, body string) *seen.Exchange {
		return seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 20, seentest.Arrive(10, body)), seentest.Head("Content-Type", contentType))
	}
	failed := chat(false, `data: {"error":{"message":"overloaded"}}`+"\n\ndata: [DONE]\n\n")
	for name, test := range map[string]struct {
		x     *seen.Exchange
		check string
		want  string // in the first remedy, "" for none
	}{
		"an error of an API":       {answer("application/json", `{"error":{"message":"bad model"}}`), "content-type", "the error that the answer names"},
		"an API that is not told":  {answer("application/json; charset=utf-8", ` {"id":1}`), "content-type", `"stream": true`},
		"a stream of another type": {answer("text/plain", "data: x\n\n"), "content-type", "Content-Type: text/event-stream"},
		"an error in the answer":   {failed, "llm-error", ""},
		"an answer with one":       {failed, "llm-terminal", ""},
		"a cut answer":             {chat(false, ""), "llm-terminal", "report an error"},
	} {
		report := weigh(seentest.Recording(test.x), Options{Only: []string{test.check}})
		i := slices.IndexFunc(report.Checks, func(c Result) bool { return c.ID == test.check })
		c := report.Checks[i]
		got := ""
		if len(c.Remedies) > 0 {
			got = c.Remedies[0].Text
		}
		if !c.Status.isFault() || !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s: %s %s (%s), fix %q, want one with %q", name, c.ID, c.Status, c.Actual, got, test.want)
		}
	}
}

// TestQuickIsQuick has no headers come: a quick run gives up after its window.
func TestQuickIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/events" {
				<-r.Context().Done()
			}
			return true
		}}
		server := f.serve(t)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		options := Options{Client: &http.Client{}, Quick: true}
		inMemory(&options)
		report, err := Run(t.Context(), request, options)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(report.Checks, func(c Result) bool { return c.ID == "headers-early" })
		waited, _ := report.Checks[i].Evidence["waited_ms"].(float64)
		if c := report.Checks[i]; c.Status != Fail || waited >= seen.Milliseconds(defaultTimeout) {
			t.Errorf("headers-early %s after %.0f ms: %s", c.Status, waited, c.Actual)
		}
	})
}

// TestRangeOfLongRecording has a stored stream of more events than are looked
// at: a range after those is not past its end.
func TestRangeOfLongRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := strings.Repeat("data: x\n\n", seen.MaxBlocks+2)
		f := fake{instead: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("ETag", `"v1"`)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
			return true
		}}
		o := observed(t, f.serve(t).URL, nil)
		if got := check.Lookup("resume-range").Run(o); got.Status != check.Pass {
			t.Errorf("%s: %s", got.Status, got.Title)
		}
	})
}

// opaque is a transport that cannot be opened up.
type opaque struct{}

func (opaque) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrNotSupported }

// TestRunCannotStart wants an error where nothing can be probed as asked, and not
// a probe of something else.
func TestRunCannotStart(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, options := range map[string]Options{
		"diag.opaque":                     {Client: &http.Client{Transport: opaque{}}},
		`no check or group "buffer-prox"`: {Only: []string{"buffer-prox"}},
	} {
		if report, err := Run(t.Context(), request, options); report != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := Run(t.Context(), nil, Options{}); err == nil {
		t.Error("no request, and no error")
	}
}

// TestRequestContext ends a run by the context of the request.
func TestRequestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, (&fake{}).serve(t).URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		options := Options{Client: &http.Client{}}
		inMemory(&options)
		report, err := Run(context.Background(), request, options)
		if err != nil || report.Error == nil || report.Error.Phase != "interrupted" || report.Duration > 2*time.Second {
			t.Errorf("%v, report %+v", err, report)
		}
	})
}
