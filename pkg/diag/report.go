package diag

import (
	"crypto/tls"
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// shownRequest returns request headers as they may be shown.
func shownRequest(h http.Header) map[string]string {
	shown := map[string]string{}
	for name, values := range h {
		if len(values) > 0 {
			name = http.CanonicalHeaderKey(name)
			shown[name] = redact.RequestHeader(name, strings.Join(values, ", "))
		}
	}
	return shown
}

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
	Phase   seen.Phase `json:"phase"`
	Message string     `json:"message"`
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
	Protocol string     `json:"protocol,omitempty"`
	TLS      string     `json:"tls,omitempty"`
	RTT      float64    `json:"rtt_ms"`
	Hops     []seen.Hop `json:"hops"`
}

// A Connection sums up one exchange.
type Connection struct {
	Role     seen.Role         `json:"role"`
	Method   string            `json:"method"`
	Request  map[string]string `json:"request_headers"`
	Status   int               `json:"status"`
	TTFB     float64           `json:"ttfb_ms"`
	Bytes    int               `json:"bytes"`
	Events   int               `json:"events"`
	Comments int               `json:"comments"`
	Arrivals int               `json:"arrivals"`
	Encoding string            `json:"content_encoding,omitempty"`
	End      seen.End          `json:"end"`
}

// A Result is the finding of one check.
type Result struct {
	ID       string         `json:"id"`
	Group    string         `json:"group"`
	Status   check.Status   `json:"status"`
	Severity check.Status   `json:"severity"` // the worst it might have been
	Title    string         `json:"title"`    // what it verifies
	Actual   string         `json:"actual"`   // what came of it
	Seen     string         `json:"seen,omitempty"`
	Expected string         `json:"expected,omitempty"`
	Evidence map[string]any `json:"evidence,omitempty"`
	Remedies []check.Remedy `json:"remedies,omitempty"`
	Doc      string         `json:"doc,omitempty"`
	MS       int64          `json:"ms"`
	Required bool           `json:"required,omitempty"` // being undecided would fail the run

	check *check.Check
	found check.Finding
}

func newReport(o *seen.Observation) *Report {
	a := o.Main()
	r := &Report{
		SchemaID: SchemaID, URL: redact.URLText(o.URL), Started: o.Time.UTC(), Duration: o.Duration,
		Path:   Path{Protocol: a.Proto, RTT: seen.Milliseconds(o.RTT()), Hops: []seen.Hop{}},
		Checks: []Result{}, Connections: []Connection{},
	}
	if a.TLS != nil {
		r.Path.TLS = tls.VersionName(a.TLS.Version)
	}
	for _, role := range []seen.Role{seen.RoleMain, seen.RoleHead, seen.RoleBaseline} {
		if x := o.Get(role); x != nil && len(r.Path.Hops) == 0 {
			r.Path.Hops = append(r.Path.Hops, seen.Hops(x.Header)...)
		}
	}
	for _, s := range o.Stalls {
		r.Client.Stalls++
		r.Client.StallMax = max(r.Client.StallMax, seen.Milliseconds(s.To-s.From))
	}
	for _, x := range o.Exchanges {
		t := x.Timeline()
		r.Connections = append(r.Connections, Connection{
			Role: x.Role, Method: x.Method, Request: shownRequest(x.RequestHeader), Status: x.Status,
			TTFB: seen.Milliseconds(x.TTFB()), Bytes: len(x.Body), Events: len(t.Events), Comments: len(t.Comments),
			Arrivals: len(t.Arrivals), Encoding: coding.Of(x.Header), End: x.End,
		})
	}
	return r
}

func (r *Report) add(item *check.Check, f check.Finding, took time.Duration) {
	result := Result{
		ID: item.ID, Group: item.Group, Status: f.Status, Severity: item.Worst, Title: item.Title,
		Actual: f.Title, Seen: f.Seen, Expected: f.Expected, Evidence: f.Evidence, Doc: item.Cite,
		MS: took.Milliseconds(), check: item, found: f,
	}
	if f.Status == check.Fail || f.Status == check.Warn || f.Status == check.Info && f.Cures != nil {
		cures := item.Cures
		if f.Cures != nil {
			cures = f.Cures
		}
		result.Remedies = check.RemediesFor(cures, r.Path.Hops)
	}
	r.Checks = append(r.Checks, result)
}

// sort puts the results in the order of the catalog.
func (r *Report) sort() {
	place := func(c Result) int {
		return slices.IndexFunc(check.All, func(item *check.Check) bool { return item.ID == c.ID })
	}
	slices.SortFunc(r.Checks, func(a, b Result) int { return place(a) - place(b) })
}

// fault makes the report one of a run that could not test. The first reason
// stands.
func (r *Report) fault(phase seen.Phase, message string) {
	if r.Error == nil {
		r.Error = &Fault{phase, message}
	}
}

// interrupt makes the report one of a run that was stopped. What needs more than
// the headers of the answer was not looked at to its end, and is not decided.
func (r *Report) interrupt(o *seen.Observation) {
	if r.Error == nil || o.Main().End == seen.EndTimeout {
		r.Error = &Fault{seen.PhaseInterrupted, "stopped before it was done"}
	}
	answered := o.Main().Answered > 0
	for i := range r.Checks {
		c := &r.Checks[i]
		if answered && (c.check.AtOnce || !o.Main().OK()) && !(c.check.Timing && check.IsFault(c.Status)) {
			continue
		}
		if c.Status != check.Skip {
			c.Seen = "so far: " + c.Actual
		}
		c.Status, c.Actual, c.Remedies = check.Inconclusive, "stopped before it was done", nil
	}
}

// settle counts, and decides on the outcome.
func (r *Report) settle(cfg Config) {
	r.Summary = Summary{}
	undecided := false
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Required = c.Status != check.Skip && named(cfg.Require, c.check)
		undecided = undecided || c.Required && c.Status == check.Inconclusive
		switch c.Status {
		case check.Pass:
			r.Summary.Pass++
		case check.Info:
			r.Summary.Info++
		case check.Warn:
			r.Summary.Warn++
		case check.Fail:
			r.Summary.Fail++
		case check.Inconclusive:
			r.Summary.Inconclusive++
		case check.Skip:
			r.Summary.Skip++
		}
	}
	bad := r.Summary.Fail > 0
	switch cfg.FailOn {
	case check.Warn:
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

// confirm takes back the faults that a second look does not show.
func (r *Report) confirm(o *seen.Observation) {
	var ids []string
	for _, c := range r.Checks {
		if c.check.Timing && check.IsFault(c.Status) {
			ids = append(ids, c.ID)
		}
	}
	if check.SecondLook(o) == nil {
		return
	}
	left := check.Unconfirmed(o, ids)
	for i := range r.Checks {
		if c := &r.Checks[i]; slices.Contains(left, c.ID) {
			if c.found.OfConnection() {
				// No bad moment of the network is so long and leaves the other
				// connection alone: it depends on the connection.
				c.Status, c.Seen = check.Warn, c.Seen+"; not so on a fresh connection"
				continue
			}
			c.Seen = c.Actual + "; not so on a fresh connection"
			c.Actual = "seen once, and not again"
			c.Status, c.Remedies = check.Inconclusive, nil
		}
	}
}
