package diag

import (
	"crypto/tls"
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of a [Report]. The members that it names keep
// their names and meanings; a report may gain others.
func Schema() []byte { return slices.Clone(schema) }

// SchemaID is the value of [Report.SchemaID].
const SchemaID = "ssectl.diag/1"

// A Report is the result of [Run]. It marshals to JSON as [Schema] describes.
type Report struct {
	SchemaID    string        `json:"schema"`
	Tool        Tool          `json:"tool"` // for the caller to fill in
	URL         string        `json:"url"`  // with secrets redacted
	Started     time.Time     `json:"started"`
	Duration    time.Duration `json:"-"`
	DurationMS  int64         `json:"duration_ms"`
	Outcome     Status        `json:"outcome"` // Pass, Fail or Error
	Exit        int           `json:"exit"`    // the exit code for the outcome: 0, 1 or 3
	Error       *Fault        `json:"error,omitempty"`
	Summary     Summary       `json:"summary"`
	Client      ClientHealth  `json:"client"`
	Path        Path          `json:"path"`
	Connections []Connection  `json:"connections"`
	Checks      []Result      `json:"checks"` // in the order of Checks

	// Timelines are the courses of the event streams, for pictures.
	Timelines []Timeline `json:"-"`

	hops []seen.Hop
}

// Tool names the program that made a report.
type Tool struct {
	Version string `json:"version"`
}

// A Fault is the reason why nothing could be tested.
type Fault struct {
	Phase   string `json:"phase"` // "dns", "tcp", "tls", "http" or "interrupted"
	Message string `json:"message"`
}

// Summary counts the results by status.
type Summary struct {
	Pass         int `json:"pass"`
	Info         int `json:"info"`
	Warn         int `json:"warn"`
	Fail         int `json:"fail"`
	Inconclusive int `json:"inconclusive"`
	Skip         int `json:"skip"`
}

// ClientHealth reports the stalls of the machine that ran the probe. Times
// measured in a stall are left out of account.
type ClientHealth struct {
	StallMax float64 `json:"stall_ms_max"`
	Stalls   int     `json:"stalls"`
}

// Path describes the way to the server.
type Path struct {
	Protocol string  `json:"protocol,omitempty"` // "HTTP/2.0"
	TLS      string  `json:"tls,omitempty"`      // "TLS 1.3"
	RTT      float64 `json:"rtt_ms"`             // an estimate
	Hops     []Hop   `json:"hops"`

	// Interceptor names the product that opened TLS on the way, by the issuer of its
	// certificate, "" for none that is known.
	Interceptor string `json:"interceptor,omitempty"`
}

// A Hop is a server or network that identified itself in an answer.
type Hop struct {
	Name string `json:"name"` // "nginx"
	By   string `json:"by"`   // the header that identified it
}

// A Connection summarizes one exchange.
type Connection struct {
	Role     string            `json:"role"` // the purpose of the exchange, see Schema
	Method   string            `json:"method"`
	Request  map[string]string `json:"request_headers"` // with secrets redacted
	Status   int               `json:"status"`          // 0 without an answer
	TTFB     float64           `json:"ttfb_ms"`
	Bytes    int               `json:"bytes"`
	Events   int               `json:"events"`
	Comments int               `json:"comments"`
	Arrivals int               `json:"arrivals"` // groups of reads
	Encoding string            `json:"content_encoding,omitempty"`
	End      string            `json:"end"` // "client", "eof", "reset", "timeout" or "error"
}

// A Result is the finding of one check.
type Result struct {
	ID       string         `json:"id"`
	Group    string         `json:"group"`
	Status   Status         `json:"status"`
	Severity Status         `json:"severity"` // the worst status that the check can have
	Title    string         `json:"title"`    // the requirement
	Actual   string         `json:"actual"`   // the finding
	Seen     string         `json:"seen,omitempty"`
	Expected string         `json:"expected,omitempty"`
	Evidence map[string]any `json:"evidence,omitempty"` // the numbers
	Remedies []Remedy       `json:"remedies,omitempty"` // the likeliest first
	Doc      string         `json:"doc,omitempty"`      // the URL of a source
	MS       int64          `json:"ms"`
	Required bool           `json:"required,omitempty"` // Inconclusive fails the run

	check *check.Check
	found check.Finding
}

// A Remedy is a change that may cure a fault.
type Remedy struct {
	For        string `json:"for"` // "app", "request", "client", or the name of a hop
	Text       string `json:"text"`
	Recognized bool   `json:"recognized"` // the hop was identified on the path
}

func remedies(list []check.Remedy) []Remedy {
	var copies []Remedy
	for _, r := range list {
		copies = append(copies, Remedy(r))
	}
	return copies
}

func (s Status) isFault() bool { return s == Fail || s == Warn }

func newReport(o *seen.Observation) *Report {
	a := o.Main()
	r := &Report{
		SchemaID: SchemaID, URL: redact.URLText(o.URL), Started: o.Time.UTC(), Duration: o.Duration,
		Path:   Path{Protocol: a.Proto, RTT: seen.Milliseconds(o.RTT()), Hops: []Hop{}, Interceptor: httpx.Interceptor(a.Issuers)},
		Checks: []Result{}, Connections: []Connection{},
	}
	r.hops = o.Hops()
	if a.TLS != nil {
		r.Path.TLS = tls.VersionName(a.TLS.Version)
	}
	for _, hop := range r.hops {
		r.Path.Hops = append(r.Path.Hops, Hop(hop))
	}
	for _, s := range o.Stalls {
		r.Client.Stalls++
		r.Client.StallMax = max(r.Client.StallMax, seen.Milliseconds(s.To-s.From))
	}
	for _, x := range o.Exchanges {
		t := x.Timeline()
		r.Connections = append(r.Connections, Connection{
			Role: string(x.Role), Method: x.Method, Request: shownRequest(x.RequestHeader), Status: x.Status,
			TTFB: seen.Milliseconds(x.TTFB()), Bytes: len(x.Body), Events: len(t.Events), Comments: len(t.Comments),
			Arrivals: len(t.Arrivals), Encoding: coding.Of(x.Header), End: string(x.End),
		})
	}
	return r
}

func (r *Report) add(item *check.Check, f check.Finding, took time.Duration) {
	result := Result{
		ID: item.ID, Group: item.Group, Status: Status(f.Status), Severity: Status(item.Worst), Title: item.Title,
		Actual: f.Title, Seen: f.Seen, Expected: f.Expected, Evidence: f.Evidence, Doc: item.Cite,
		MS: took.Milliseconds(), check: item, found: f,
	}
	if result.Status.isFault() || result.Status == Info && f.Cures != nil {
		cures := item.Cures
		if f.Cures != nil {
			cures = f.Cures
		}
		result.Remedies = remedies(check.RemediesFor(cures, r.hops))
	}
	r.Checks = append(r.Checks, result)
}

// sort puts the results in the order of the catalog.
func (r *Report) sort() {
	slices.SortFunc(r.Checks, func(a, b Result) int { return check.Place(a.ID) - check.Place(b.ID) })
}

// fault makes the report one of a run that could not test. The first reason
// stands.
func (r *Report) fault(phase seen.Phase, message string) {
	if r.Error == nil {
		r.Error = &Fault{string(phase), message}
	}
}

// interrupt makes the report one of a run that was stopped. Checks that need
// more than the headers of the answer are not decided.
func (r *Report) interrupt(o *seen.Observation) {
	if r.Error == nil || o.Main().End == seen.EndTimeout {
		r.Error = &Fault{string(seen.PhaseInterrupted), "stopped before it was done"}
	}
	answered := o.Main().Answered > 0
	for i := range r.Checks {
		c := &r.Checks[i]
		if answered && (c.check.AtOnce || !o.Main().OK()) && !(c.check.Timing && c.Status.isFault()) {
			continue
		}
		if c.Status != Skip {
			c.Seen = "so far: " + c.Actual
		}
		c.Status, c.Actual, c.Remedies = Inconclusive, "stopped before it was done", nil
	}
}

// settle counts, and decides on the outcome.
func (r *Report) settle(options Options) {
	r.Summary = Summary{}
	undecided := false
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Required = c.Status != Skip && named(options.Require, c.check)
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
	switch options.FailOn {
	case Warn:
		bad = bad || r.Summary.Warn > 0
	case Never:
		bad = false
	}
	r.DurationMS = r.Duration.Milliseconds()
	switch {
	case r.Error != nil:
		r.Outcome, r.Exit = Error, 3
	case bad || undecided:
		r.Outcome, r.Exit = Fail, 1
	default:
		r.Outcome, r.Exit = Pass, 0
	}
}

// confirm takes back the faults that a second look does not show.
func (r *Report) confirm(o *seen.Observation) {
	var ids []string
	for _, c := range r.Checks {
		if c.check.Timing && c.Status.isFault() {
			ids = append(ids, c.ID)
		}
	}
	if check.SecondLook(o) == nil {
		return
	}
	left := check.Unconfirmed(o, ids)
	for i := range r.Checks {
		if c := &r.Checks[i]; slices.Contains(left, c.ID) {
			if c.found.OfConnection() && !check.Contradicted(o, c.ID) {
				continue // the second look was too short to show it, or to show the opposite
			}
			if c.found.OfConnection() {
				// No bad moment of the network is so long and leaves the other
				// connection alone: it depends on the connection.
				c.Status, c.Seen = Warn, c.Seen+"; not on another connection"
				continue
			}
			if without := c.found.Unheld; without != nil {
				c.Status, c.Actual, c.Seen, c.Evidence, c.Remedies = Status(without.Status), without.Title, without.Seen, without.Evidence, nil
				continue
			}
			c.Seen = c.Actual + "; not on another connection"
			c.Actual = "seen once, not confirmed"
			c.Status, c.Remedies = Inconclusive, nil
		}
	}
}

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
