package diag

import (
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
func verdicts(r *Report) map[string]check.Status {
	list := map[string]check.Status{}
	for _, c := range r.Checks {
		list[c.ID] = c.Status
	}
	return list
}

// TestChosenCheckSpeaks has every check that is named be in the report, and say
// what it says in a full run; what it refers to is there too.
func TestChosenCheckSpeaks(t *testing.T) {
	held := func() *seen.Observation {
		return seentest.Recording(seentest.Pieces(seen.RoleMain, 800, 4096, 8), seentest.Pieces(seen.RoleConfirm, 800, 4096, 8), seentest.Recorded(seen.RoleUnknownID, 7000, seen.EndClient, 7500))
	}
	full := verdicts(Weigh(held(), Config{Request: get(t)}))
	if full["buffer-proxy"] != check.Fail || full["buffer-tail"] != check.Skip {
		t.Fatalf("buffer-proxy %s, buffer-tail %s: not the stream that is wanted", full["buffer-proxy"], full["buffer-tail"])
	}
	for id, status := range full {
		report := Weigh(held(), Config{Request: get(t), Only: []string{id}})
		if got := verdicts(report)[id]; got != status {
			t.Errorf("--only %s: %q, in a full run %q", id, got, status)
		}
	}
	report := Weigh(held(), Config{Request: get(t), Only: []string{"buffer-tail"}})
	if report.Outcome != OutcomeFail || verdicts(report)["buffer-proxy"] != check.Fail || len(report.Checks) != 2 {
		t.Errorf("buffer-tail alone: %s, %+v", report.Outcome, report.Checks)
	}
	if report = Weigh(held(), Config{Request: get(t), Only: []string{"buffer-tail"}, Skip: []string{"buffer-proxy"}}); len(report.Checks) != 1 {
		t.Errorf("a check that was to be left out is there: %+v", report.Checks)
	}
}

// TestSelected names checks in several ways.
func TestSelected(t *testing.T) {
	quick, origin := seen.Options{Quick: true}, seen.Options{OriginURL: "http://origin/"}
	for name, test := range map[string]struct {
		cfg  Config
		id   string
		want check.Status // "" where it must not be there
	}{
		"an option that was not given, by group": {Config{Only: []string{"resume"}}, "resume-hop", ""},
		"the same by its ID":                     {Config{Only: []string{"resume-hop"}}, "resume-hop", check.Inconclusive},
		"the same with its option":               {Config{Only: []string{"resume"}, Options: origin}, "resume-hop", check.Inconclusive},
		"what a quick run leaves out":            {Config{Options: quick}, "buffer-proxy", ""},
		"a check of those by its ID":             {Config{Only: []string{"buffer-proxy"}, Options: quick}, "buffer-proxy", check.Inconclusive},
		"the same by its group":                  {Config{Only: []string{"buffering"}, Options: quick}, "buffer-proxy", check.Inconclusive},
		"required":                               {Config{Require: []string{"buffer-proxy"}, Options: quick}, "buffer-proxy", check.Inconclusive},
		"what a quick run looks at":              {Config{Only: []string{"frame-eol"}, Options: quick}, "frame-eol", check.Pass},
	} {
		test.cfg.Request = get(t)
		report := Weigh(seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1)), test.cfg)
		if got := verdicts(report)[test.id]; got != test.want {
			t.Errorf("%s: %s is %q, want %q", name, test.id, got, test.want)
		}
	}
}

// TestRequire fails for what could not be decided, and not for what does not
// apply.
func TestRequire(t *testing.T) {
	for id, want := range map[string]Outcome{
		"resume":     OutcomeFail, // no second connection
		"resume-end": OutcomePass, // the stream goes on
		"frame-eol":  OutcomePass,
	} {
		report := Weigh(seentest.Recording(seentest.Steady(seen.RoleMain, 0, 100, 9, 1)), Config{Request: get(t), Only: []string{id}, Require: []string{id}})
		if report.Outcome != want {
			t.Errorf("%s is %s, outcome %s, want %s", id, report.Checks[0].Status, report.Outcome, want)
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
		if report := Run(t.Context(), Config{Request: request, Options: seen.Options{Quick: true}, Only: []string{"connect-status"}}); report.Outcome != OutcomePass {
			t.Errorf("outcome %s: %+v", report.Outcome, report.Checks)
		}
	})
}

// TestFixFits holds what is to be tried to what was found.
func TestFixFits(t *testing.T) {
	answer := func(contentType, body string) *seen.Exchange {
		return seentest.With(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 20, seentest.Arrive(10, body)), seentest.Head("Content-Type", contentType))
	}
	failed := chat(false, `data: {"error":{"message":"overloaded"}}`+"\n\ndata: [DONE]\n\n")
	for name, test := range map[string]struct {
		x     *seen.Exchange
		check string
		want  string // what the first remedy says, "" for none
	}{
		"an error of an API":       {answer("application/json", `{"error":{"message":"bad model"}}`), "content-type", "what the error names"},
		"an API that is not told":  {answer("application/json; charset=utf-8", ` {"id":1}`), "content-type", `"stream": true`},
		"a stream of another type": {answer("text/plain", "data: x\n\n"), "content-type", "Content-Type: text/event-stream"},
		"an error in the answer":   {failed, "llm-error", ""},
		"an answer with one":       {failed, "llm-terminal", ""},
		"a cut answer":             {chat(false, ""), "llm-terminal", "tell an error"},
	} {
		report := Weigh(seentest.Recording(test.x), Config{Request: get(t), Only: []string{test.check}})
		i := slices.IndexFunc(report.Checks, func(c Result) bool { return c.ID == test.check })
		c := report.Checks[i]
		got := ""
		if len(c.Remedies) > 0 {
			got = c.Remedies[0].Text
		}
		if !check.IsFault(c.Status) || !strings.Contains(got, test.want) || test.want == "" && got != "" {
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
		cfg := Config{Client: &http.Client{}, Request: request, Options: seen.Options{Quick: true}}
		inMemory(&cfg)
		report := Run(t.Context(), cfg)
		i := slices.IndexFunc(report.Checks, func(c Result) bool { return c.ID == "headers-early" })
		waited, _ := report.Checks[i].Evidence["waited_ms"].(float64)
		if c := report.Checks[i]; c.Status != check.Fail || waited >= seen.Milliseconds(DefaultTimeout) {
			t.Errorf("headers-early %s after %.0f ms: %s", c.Status, waited, c.Actual)
		}
	})
}

// TestRangeOfLongRecording has a stored stream of more events than are looked
// at: what lies behind those is not behind its end.
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
