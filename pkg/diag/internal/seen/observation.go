package seen

import (
	"time"
)

// MaxRedirects is as many as browsers follow
// (https://fetch.spec.whatwg.org/#http-redirect-fetch).
const MaxRedirects = 20

// A Profile is a protocol on top of event streams.
type Profile string

// The profiles.
const (
	ProfileOpenAI    Profile = "openai"
	ProfileAnthropic Profile = "anthropic"
	ProfileMCP       Profile = "mcp"
)

// Options are the options of a run that the checks look at.
type Options struct {
	Quick       bool          `json:"quick,omitempty"`       // headers, framing and broken bodies only
	Soak        time.Duration `json:"soak,omitempty"`        // leave the stream alone for so long
	ExpectEvery time.Duration `json:"expectEvery,omitempty"` // an event is due this often
	Profile     Profile       `json:"profile,omitempty"`     // "" is auto
	WebOrigin   string        `json:"webOrigin,omitempty"`   // the Origin of the page that reads the stream
	Credentials bool          `json:"credentials,omitempty"` // the page sends cookies
	Injection   bool          `json:"injection,omitempty"`   // try to write events by way of the query
	OriginURL   string        `json:"originURL,omitempty"`   // the same stream before the hops
	Other       bool          `json:"other,omitempty"`       // there are credentials of another user
	ConnsURL    string        `json:"connsURL,omitempty"`    // reports how many streams the origin has open
}

// A Stall is a stretch in which the machine of the probe slept, so that times
// taken in it say nothing about the server.
type Stall struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// An Observation is all that one probe has seen. The checks know nothing else.
type Observation struct {
	URL       string        `json:"url"` // as asked for, credentials included: never shown
	Method    string        `json:"method"`
	Window    time.Duration `json:"window"` // how long the stream was to be watched
	Duration  time.Duration `json:"duration"`
	Time      time.Time     `json:"time"` // when it started
	Stalls    []Stall       `json:"stalls,omitempty"`
	Exchanges []*Exchange   `json:"exchanges"`
	Options   Options       `json:"options"`
	Orphans   []int         `json:"orphans,omitempty"` // streams open at the origin: with us, after us

	memo map[any]any
}

// Once returns the value that build makes of the observation, made once for each
// key.
func (o *Observation) Once(key any, build func() any) any {
	value, ok := o.memo[key]
	if !ok {
		value = build()
		if o.memo == nil {
			o.memo = map[any]any{}
		}
		o.memo[key] = value
	}
	return value
}

// Get returns the first exchange of a role, or nil.
func (o *Observation) Get(role Role) *Exchange {
	for _, x := range o.Exchanges {
		if x.Role == role {
			return x
		}
	}
	return nil
}

// Main returns the main exchange. There always is one.
func (o *Observation) Main() *Exchange { return o.Get(RoleMain) }

// RTT estimates the round trip: the quickest TCP connect, or the quickest
// answer where a proxy did the connecting.
func (o *Observation) RTT() time.Duration {
	var best time.Duration
	for _, x := range o.Exchanges {
		for _, d := range []time.Duration{x.Dial, x.TTFB()} {
			if d > 0 && (best == 0 || d < best) {
				best = d
			}
		}
	}
	return best
}

// Baseline is how long the server takes at least for an answer that is no
// stream. Where the handler of the stream answers HEAD and OPTIONS too, those
// are as slow as the stream.
func (o *Observation) Baseline() (least time.Duration, ok bool) {
	for _, role := range []Role{RoleHead, RoleBaseline, RolePreflight} {
		if x := o.Get(role); x != nil && x.Answered > 0 && (!ok || x.TTFB() < least) {
			least, ok = x.TTFB(), true
		}
	}
	return least, ok
}

// Stalled reports whether the probe's machine slept at some time in [from, to].
func (o *Observation) Stalled(from, to time.Duration) bool {
	for _, s := range o.Stalls {
		if s.From <= to && from <= s.To {
			return true
		}
	}
	return false
}

// StrangeOrigin is no site's, by https://www.rfc-editor.org/rfc/rfc2606.
const StrangeOrigin = "https://ssectl.invalid"

// InjectedType is the type of the event that a query tries to write.
const InjectedType = "ssectl-injected"

// Settled is how old an event has to be for a server to have it in its past.
const Settled = 400 * time.Millisecond

// Noticeable is a hold that somebody may notice.
const Noticeable = 150 * time.Millisecond
