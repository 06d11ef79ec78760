package diag

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/probe"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

const (
	// DefaultDuration is the default of [Options.Duration].
	DefaultDuration = 12 * time.Second

	// DefaultConnections is the default of [Options.Connections].
	DefaultConnections = 3
)

const (
	quickDuration  = 3 * time.Second
	defaultTimeout = 10 * time.Second
)

// Options configure [Run]. The zero value probes with [http.DefaultClient] and
// runs every check that needs no option.
type Options struct {
	// Client makes the requests; nil means http.DefaultClient. Its Transport has
	// to be an *http.Transport, or nil for http.DefaultTransport. Run copies it
	// and opens connections of its own.
	Client *http.Client

	// Duration is how long to watch the stream. The probe ends earlier when all
	// is decided, and takes about twice as long where a fault has to be seen
	// again. Zero means DefaultDuration.
	Duration time.Duration

	// Timeout is how long to wait for the headers of an answer. Zero means 10 s,
	// or 3 s with Quick.
	Timeout time.Duration

	// Connections is the maximum number of streams open at once. Zero means
	// DefaultConnections.
	Connections int

	// Repeat allows requests that may cost money to be sent more than once: those
	// with a method other than GET, and those to a model.
	Repeat bool

	// Only and Skip select checks by ID or group. An empty Only means all. The
	// report has each check that is named, and the checks that these refer to;
	// their findings do not depend on the selection. A doubt that most healthy
	// streams leave is Skip, and Inconclusive for a check that Only has by its
	// ID, or Require by ID or group.
	Only, Skip []string

	// Require lists checks or groups that must reach a verdict: Inconclusive
	// fails the run, Skip does not.
	Require []string

	// FailOn is the least status that fails the run: Fail, Warn or Never. The
	// zero value means Fail.
	FailOn Status

	Quick       bool          // headers, framing and broken bodies only, for 3 s
	Soak        time.Duration // leave the stream alone for this long, to see which hop cuts it
	ExpectEvery time.Duration // an event is due this often; a longer silence fails
	Profile     Profile       // the protocol on top of the stream; the zero value detects it
	WebOrigin   string        // the origin of the page that reads the stream, for CORS
	Credentials bool          // the page sends cookies; requires WebOrigin
	Injection   bool          // try to write events through the query
	OriginURL   string        // the same stream before the hops: locates a fault
	ConnsURL    string        // reports how many streams the origin has open

	// Progress, where not nil, is called when the run goes over to something else: with a
	// description for people, and with the time since the start at which the run will be
	// done at the latest, by its plan so far. It must not block.
	Progress func(doing string, end time.Duration)

	// OtherRequest is the same request with the credentials of another user, who must
	// not get the events of the first. Nil leaves that out.
	OtherRequest *http.Request
}

// A Profile is a protocol on top of event streams.
type Profile string

// The profiles.
const (
	ProfileOpenAI    Profile = "openai"
	ProfileAnthropic Profile = "anthropic"
	ProfileMCP       Profile = "mcp"
)

// Run sends the request a few times, as different clients would, and returns a
// report of all selected checks. The request's context ends the run as ctx does.
//
// A server that cannot be reached is no error: the report's Error has the
// reason. Run returns an error only if it cannot start: for a client whose
// transport it cannot use, for options that name a check that does not exist, and
// for a selection that leaves no check to run.
func Run(ctx context.Context, request *http.Request, options Options) (*Report, error) {
	if err := options.validate(request); err != nil {
		return nil, fmt.Errorf("diag: %w", err)
	}
	ctx, cancel := context.WithCancel(merged{ctx, request.Context()})
	defer cancel()
	defer context.AfterFunc(request.Context(), cancel)()

	started := time.Now()
	o := observe(ctx, request, options)
	report := weigh(o, options)
	report.Duration = time.Since(started)
	if ctx.Err() != nil {
		report.interrupt(o)
	}
	report.settle(options)
	report.drawTimelines(o)
	return report, nil
}

// A merged context has the values of two.
type merged struct {
	context.Context
	request context.Context
}

func (m merged) Value(key any) any {
	if value := m.Context.Value(key); value != nil {
		return value
	}
	return m.request.Value(key)
}

func (o *Options) validate(request *http.Request) error {
	if request == nil || request.URL == nil {
		return errors.New("no request")
	}
	if o.Client != nil && o.Client.Transport != nil {
		if _, ok := o.Client.Transport.(*http.Transport); !ok {
			return fmt.Errorf("cannot probe through a %T: want an *http.Transport", o.Client.Transport)
		}
	}
	for _, name := range slices.Concat(o.Only, o.Skip, o.Require) {
		if !Known(name) {
			return fmt.Errorf("no check or group %q", name)
		}
	}
	if len(o.selected()) == 0 {
		return errors.New("no check is left to run")
	}
	return nil
}

// observe makes every exchange that the checks need, each once.
func observe(ctx context.Context, request *http.Request, options Options) *seen.Observation {
	client := options.Client
	if client == nil {
		client = http.DefaultClient
	}
	return probe.Observe(ctx, probe.Config{
		Client: client, Request: request, Other: options.OtherRequest,
		Window: options.window(), Timeout: options.timeout(), Connections: options.connections(),
		Once: !options.mayRepeat(request), Options: options.seen(), Doubts: doubts, WatchUntil: options.watchUntil, Stage: options.Progress,
	})
}

// watchUntil returns the time until which the stream has to be watched beyond the
// window, zero for none. A run that was to be short stays so.
func (o *Options) watchUntil(seen *seen.Observation) time.Duration {
	if o.Quick || o.window() < DefaultDuration || !o.looksAt(check.Lookup("lifetime-cut")) {
		return 0
	}
	return check.WatchUntil(seen, o.selected())
}

// doubts is the door from the probe to the checks: the probe itself judges
// nothing.
func doubts(o *seen.Observation) probe.Doubts {
	return probe.Doubts{Checks: check.Unconfirmed(o, check.Faults(o)), ByClock: hold.ByClock(o), Join: hold.WantsJoin(o), Missed: hold.Missed(o), Settled: hold.Settled(o)}
}

// weigh runs the selected checks over an observation. It withdraws a fault of
// timing that a second look did not show.
func weigh(o *seen.Observation, options Options) *Report {
	r := newReport(o)
	given := options.seen()
	selected := options.selected()
	for c := range check.All() {
		if c.Anyway != nil && !options.Quick && options.looksAt(c) && c.Anyway(o) {
			selected = append(selected, c)
		}
	}
	var ids []string // of all that have been in the list
	for len(selected) > 0 {
		c := selected[0]
		selected = selected[1:]
		if slices.Contains(ids, c.ID) {
			continue
		}
		ids = append(ids, c.ID)
		begun := time.Now()
		f := c.RunWith(&given, o)
		if f.Minor && !contains(options.Only, c.ID) && !named(options.Require, c) {
			f.Status = check.Skip
		}
		r.add(c, f, time.Since(begun))
		if other := check.Lookup(f.See); other != nil && !named(options.Skip, other) {
			selected = append(selected, other)
		}
	}
	r.sort()
	r.confirm(o)
	if x := o.Main(); x.Status == 0 && x.End == seen.EndError {
		r.fault(x.Phase, x.Error)
	} else if _, alive := o.Baseline(); x.Status == 0 && x.End == seen.EndTimeout && !alive {
		r.fault(seen.PhaseHTTP, fmt.Sprintf("no answer within %s", seen.RoundDuration(options.timeout())))
	}
	r.settle(options)
	return r
}

// selected returns the checks to run, in the order of the catalog. A group
// stands for those of its checks whose needs are met, an ID for its check in any
// case.
func (o *Options) selected() []*check.Check {
	var list []*check.Check
	given := o.seen()
	for c := range check.All() {
		chosen := contains(o.Only, c.ID) || contains(o.Require, c.ID)
		switch {
		case len(o.Only) > 0:
			chosen = chosen || contains(o.Only, c.Group) && c.Needs.Given(&given)
		case !o.Quick || c.Quick:
			chosen = chosen || c.Needs.Given(&given)
		}
		if chosen && !named(o.Skip, c) {
			list = append(list, c)
		}
	}
	return list
}

// looksAt reports whether the selection has the check, whatever it needs.
func (o *Options) looksAt(c *check.Check) bool {
	return (len(o.Only) == 0 || named(o.Only, c) || contains(o.Require, c.ID)) && !named(o.Skip, c)
}

// named reports whether a list of IDs and groups has the check.
func named(list []string, c *check.Check) bool {
	return contains(list, c.ID) || contains(list, c.Group)
}

func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(item string) bool { return strings.EqualFold(item, name) })
}

// seen returns the options that checks look at.
func (o *Options) seen() seen.Options {
	return seen.Options{
		Quick: o.Quick, Soak: o.Soak, ExpectEvery: o.ExpectEvery, Profile: seen.Profile(o.Profile), WebOrigin: o.WebOrigin,
		Credentials: o.Credentials, Injection: o.Injection, OriginURL: o.OriginURL, ConnsURL: o.ConnsURL, Other: o.OtherRequest != nil,
	}
}

func (o *Options) window() time.Duration {
	switch {
	case o.Quick:
		return quickDuration
	case o.Duration > 0:
		return o.Duration
	}
	return DefaultDuration
}

func (o *Options) timeout() time.Duration {
	switch {
	case o.Timeout > 0:
		return o.Timeout
	case o.Quick:
		return quickDuration
	}
	return defaultTimeout
}

func (o *Options) connections() int {
	if o.Connections > 0 {
		return o.Connections
	}
	return DefaultConnections
}

// mayRepeat reports whether the request may be sent again.
func (o *Options) mayRepeat(request *http.Request) bool {
	if o.Repeat {
		return true
	}
	paid := o.Profile == ProfileOpenAI || o.Profile == ProfileAnthropic
	return !paid && (request.Method == "" || request.Method == http.MethodGet)
}
