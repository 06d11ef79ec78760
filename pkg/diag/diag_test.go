package diag

import (
	"net/http"
	"testing"
)

// verdicts are the statuses of a report by ID.
func verdicts(r *Report) map[string]Status {
	list := map[string]Status{}
	for _, c := range r.Checks {
		list[c.ID] = c.Status
	}
	return list
}

// TestChosenCheckSpeaks has every check that is named be in the report, and say
// what it says in a full run; what it refers to is there too.
func TestChosenCheckSpeaks(t *testing.T) {
	held := func() *Observation {
		return recording(pieces(RoleA, 800, 4096, 8), pieces(RoleAgain, 800, 4096, 8), recorded(RoleUnknownID, 7000, EndClient, 7500))
	}
	full := verdicts(Weigh(held(), Config{Request: get(t)}))
	if full["buffer-proxy"] != Fail || full["buffer-tail"] != Skip {
		t.Fatalf("buffer-proxy %s, buffer-tail %s: not the stream that is wanted", full["buffer-proxy"], full["buffer-tail"])
	}
	for id, status := range full {
		report := Weigh(held(), Config{Request: get(t), Only: []string{id}})
		if got := verdicts(report)[id]; got != status {
			t.Errorf("--only %s: %q, in a full run %q", id, got, status)
		}
	}
	report := Weigh(held(), Config{Request: get(t), Only: []string{"buffer-tail"}})
	if report.Outcome != OutcomeFail || verdicts(report)["buffer-proxy"] != Fail || len(report.Checks) != 2 {
		t.Errorf("buffer-tail alone: %s, %+v", report.Outcome, report.Checks)
	}
	if report = Weigh(held(), Config{Request: get(t), Only: []string{"buffer-tail"}, Skip: []string{"buffer-proxy"}}); len(report.Checks) != 1 {
		t.Errorf("a check that was to be left out is there: %+v", report.Checks)
	}
}

// TestSelected names checks in several ways.
func TestSelected(t *testing.T) {
	quick, origin := Options{Quick: true}, Options{OriginURL: "http://origin/"}
	for name, test := range map[string]struct {
		cfg  Config
		id   string
		want Status // "" where it must not be there
	}{
		"an option that was not given, by group": {Config{Only: []string{"resume"}}, "resume-hop", ""},
		"the same by its ID":                     {Config{Only: []string{"resume-hop"}}, "resume-hop", Inconclusive},
		"the same with its option":               {Config{Only: []string{"resume"}, Options: origin}, "resume-hop", Inconclusive},
		"what a quick run leaves out":            {Config{Options: quick}, "buffer-proxy", ""},
		"a check of those by its ID":             {Config{Only: []string{"buffer-proxy"}, Options: quick}, "buffer-proxy", Inconclusive},
		"the same by its group":                  {Config{Only: []string{"buffering"}, Options: quick}, "buffer-proxy", Inconclusive},
		"required":                               {Config{Require: []string{"buffer-proxy"}, Options: quick}, "buffer-proxy", Inconclusive},
		"what a quick run looks at":              {Config{Only: []string{"frame-eol"}, Options: quick}, "frame-eol", Pass},
	} {
		test.cfg.Request = get(t)
		report := Weigh(recording(steady(RoleA, 0, 100, 9, 1)), test.cfg)
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
		report := Weigh(recording(steady(RoleA, 0, 100, 9, 1)), Config{Request: get(t), Only: []string{id}, Require: []string{id}})
		if report.Outcome != want {
			t.Errorf("%s is %s, outcome %s, want %s", id, report.Checks[0].Status, report.Outcome, want)
		}
	}
}

// TestRunWithoutClient needs no more than a request.
func TestRunWithoutClient(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, (&fake{}).serve(t).URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report := Run(t.Context(), Config{Request: request, Options: Options{Quick: true}, Only: []string{"connect-status"}}); report.Outcome != OutcomePass {
		t.Errorf("outcome %s: %+v", report.Outcome, report.Checks)
	}
}
