package diag

import (
	"crypto/tls"
	_ "embed"
	"slices"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/redact"
)

// Schema is the JSON Schema of a [Report], SchemaID its name. What it names
// stays as it is; a report may gain members.
//
//go:embed schema.json
var Schema []byte

// SchemaID is the schema member of every report.
const SchemaID = "ssectl.diag/1"

// An Outcome is what a run came to.
type Outcome string

// The outcomes, with their exit codes 0, 1 and 3.
const (
	OutcomePass  Outcome = "pass"
	OutcomeFail  Outcome = "fail"
	OutcomeError Outcome = "error" // it could not test
)

// A Report is the result of a run. Its JSON form is that of [Schema].
type Report struct {
	SchemaID    string        `json:"schema"`
	Tool        Tool          `json:"tool"`
	URL         string        `json:"url"` // without secrets
	Started     time.Time     `json:"started"`
	Duration    time.Duration `json:"-"`
	DurationMS  int64         `json:"duration_ms"`
	Outcome     Outcome       `json:"outcome"`
	Exit        int           `json:"exit"`
	Error       *Fault        `json:"error,omitempty"`
	Summary     Summary       `json:"summary"`
	Client      ClientHealth  `json:"client"`
	Path        Path          `json:"path"`
	Connections []Connection  `json:"connections"`
	Checks      []Result      `json:"checks"`
}

// Tool is what made the report.
type Tool struct {
	Version string `json:"version"`
}

// A Fault is why a run could not test.
type Fault struct {
	Phase   Phase  `json:"phase"`
	Message string `json:"message"`
}

// Summary counts the results.
type Summary struct {
	Pass         int `json:"pass"`
	Info         int `json:"info"`
	Warn         int `json:"warn"`
	Fail         int `json:"fail"`
	Inconclusive int `json:"inconclusive"`
	Skip         int `json:"skip"`
}

// ClientHealth is how well the machine of the probe did.
type ClientHealth struct {
	StallMax float64 `json:"stall_ms_max"`
	Stalls   int     `json:"stalls"`
}

// Path is what lies between the probe and the server.
type Path struct {
	Protocol string  `json:"protocol,omitempty"`
	TLS      string  `json:"tls,omitempty"`
	RTT      float64 `json:"rtt_ms"`
	Hops     []Hop   `json:"hops"`
}

// A Connection sums up one exchange.
type Connection struct {
	Role     Role              `json:"role"`
	Method   string            `json:"method"`
	Request  map[string]string `json:"request_headers"`
	Status   int               `json:"status"`
	TTFB     float64           `json:"ttfb_ms"`
	Bytes    int               `json:"bytes"`
	Events   int               `json:"events"`
	Comments int               `json:"comments"`
	Arrivals int               `json:"arrivals"`
	Encoding string            `json:"content_encoding,omitempty"`
	End      End               `json:"end"`
}

// A Result is the finding of one check.
type Result struct {
	ID       string         `json:"id"`
	Group    string         `json:"group"`
	Status   Status         `json:"status"`
	Severity Status         `json:"severity"` // the worst it might have been
	Title    string         `json:"title"`    // what it verifies
	Actual   string         `json:"actual"`   // what came of it
	Seen     string         `json:"seen,omitempty"`
	Expected string         `json:"expected,omitempty"`
	Evidence map[string]any `json:"evidence,omitempty"`
	Remedies []Remedy       `json:"remedies,omitempty"`
	Doc      string         `json:"doc,omitempty"`
	MS       int64          `json:"ms"`
	Required bool           `json:"required,omitempty"` // being undecided would fail the run

	check *Check
	found Finding
}

func newReport(o *Observation) *Report {
	a := o.a()
	r := &Report{
		SchemaID: SchemaID, URL: redact.URLText(o.URL), Started: o.Time.UTC(), Duration: o.Duration,
		Path:   Path{Protocol: a.Proto, RTT: milliseconds(o.rtt()), Hops: []Hop{}},
		Checks: []Result{}, Connections: []Connection{},
	}
	if a.TLS != nil {
		r.Path.TLS = tls.VersionName(a.TLS.Version)
	}
	for _, role := range []Role{RoleA, RoleHead, RoleBaseline} {
		if x := o.get(role); x != nil && len(r.Path.Hops) == 0 {
			r.Path.Hops = append(r.Path.Hops, Hops(x.Header)...)
		}
	}
	for _, s := range o.Stalls {
		r.Client.Stalls++
		r.Client.StallMax = max(r.Client.StallMax, milliseconds(s.To-s.From))
	}
	for _, x := range o.Exchanges {
		t := x.timeline()
		r.Connections = append(r.Connections, Connection{
			Role: x.Role, Method: x.Method, Request: shownRequest(x.RequestHeader), Status: x.Status,
			TTFB: milliseconds(x.ttfb()), Bytes: len(x.Body), Events: len(t.events), Comments: len(t.comments),
			Arrivals: len(t.arrivals), Encoding: coding.Of(x.Header), End: x.End,
		})
	}
	return r
}

func (r *Report) add(check *Check, f Finding, took time.Duration) {
	result := Result{
		ID: check.ID, Group: check.Group, Status: f.Status, Severity: check.Worst, Title: check.Title,
		Actual: f.Title, Seen: f.Seen, Expected: f.Expected, Evidence: f.Evidence, Doc: check.Cite,
		MS: took.Milliseconds(), check: check, found: f,
	}
	if f.Status == Fail || f.Status == Warn || f.Status == Info && f.Cures != nil {
		cures := check.Cures
		if f.Cures != nil {
			cures = f.Cures
		}
		result.Remedies = remediesFor(cures, r.Path.Hops)
	}
	r.Checks = append(r.Checks, result)
}

// sort puts the results in the order of the catalog.
func (r *Report) sort() {
	place := func(c Result) int {
		return slices.IndexFunc(catalog, func(check *Check) bool { return check.ID == c.ID })
	}
	slices.SortFunc(r.Checks, func(a, b Result) int { return place(a) - place(b) })
}

// fault makes the report one of a run that could not test. The first reason
// stands.
func (r *Report) fault(phase Phase, message string) {
	if r.Error == nil {
		r.Error = &Fault{phase, message}
	}
}

// interrupt makes the report one of a run that was stopped. What needs more than
// the headers of the answer was not looked at to its end, and is not decided.
func (r *Report) interrupt(o *Observation) {
	if r.Error == nil || o.a().End == EndTimeout {
		r.Error = &Fault{PhaseInterrupted, "stopped before it was done"}
	}
	answered := o.a().Answered > 0
	for i := range r.Checks {
		c := &r.Checks[i]
		if answered && (c.check.AtOnce || !o.a().ok()) && !(c.check.Timing && isFault(c.Status)) {
			continue
		}
		if c.Status != Skip {
			c.Seen = "so far: " + c.Actual
		}
		c.Status, c.Actual, c.Remedies = Inconclusive, "stopped before it was done", nil
	}
}

// settle counts, and decides on the outcome.
func (r *Report) settle(cfg Config) {
	r.Summary = Summary{}
	undecided := false
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Required = c.Status != Skip && named(cfg.Require, c.check)
		undecided = undecided || c.Required && c.Status == Inconclusive
		switch c.Status {
		case Pass:
			r.Summary.Pass++
		case Info:
			r.Summary.Info++
		case Warn:
			r.Summary.Warn++
		case Fail:
			r.Summary.Fail++
		case Inconclusive:
			r.Summary.Inconclusive++
		case Skip:
			r.Summary.Skip++
		}
	}
	bad := r.Summary.Fail > 0
	switch cfg.FailOn {
	case Warn:
		bad = bad || r.Summary.Warn > 0
	case NeverFail:
		bad = false
	}
	r.DurationMS = r.Duration.Milliseconds()
	switch {
	case r.Error != nil:
		r.Outcome, r.Exit = OutcomeError, 3
	case bad || undecided:
		r.Outcome, r.Exit = OutcomeFail, 1
	default:
		r.Outcome, r.Exit = OutcomePass, 0
	}
}
