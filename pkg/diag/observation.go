package diag

import (
	"bytes"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A Role says what an exchange was made for.
type Role string

// The roles of exchanges.
const (
	RoleA         Role = "a"          // the stream, asked for as a browser does; stays open to the end
	RoleTwin      Role = "twin"       // the same again, a little later
	RoleIdentity  Role = "identity"   // the same without compression
	RoleAgain     Role = "again"      // once more, where something seemed to be held
	RoleFresh     Role = "fresh"      // opened between two events, to see which comes first
	RoleResume1   Role = "resume1"    // with the ID of the event before the last
	RoleResume2   Role = "resume2"    // with the ID of an event some places earlier
	RoleControl   Role = "control"    // without an ID, beside those two
	RoleUnknownID Role = "unknown-id" // with an ID the server never gave
	RoleLastID    Role = "last-id"    // after the end of a finite stream, with its last ID
	RoleBust      Role = "bust"       // with a query that no cache has seen
	RoleHead      Role = "head"
	RolePreflight Role = "preflight"
	RoleCORS      Role = "cors"
	RoleBaseline  Role = "baseline" // another path of the same server
	RoleProtocol  Role = "protocol" // the same over the other version of HTTP
	RoleOrigin    Role = "origin"
	RoleSoak      Role = "soak" // a second life, after the first was cut
	RoleRange     Role = "range"
	RoleRangeIf   Role = "range-if" // a range on a condition that is false
	RoleRangeEnd  Role = "range-end"
	RoleInject    Role = "injection"
	RoleMCPGet    Role = "mcp-get"
	RoleMCPPost   Role = "mcp-post"
	RoleMCPReady  Role = "mcp-ready" // the notification after the handshake
	RoleDiscover  Role = "mcp-discover"

	RoleOriginResume1 Role = "origin-resume1"
	RoleOriginResume2 Role = "origin-resume2"
	RoleOriginControl Role = "origin-control"
)

// An End says how an exchange ended.
type End string

// The ends of exchanges.
const (
	EndClient  End = "client"  // the probe had seen enough
	EndEOF     End = "eof"     // the server ended its answer in order
	EndReset   End = "reset"   // the connection broke off within the answer
	EndTimeout End = "timeout" // no answer in time
	EndError   End = "error"   // no answer at all: DNS, TCP, TLS, not HTTP
)

// A Phase is a step on the way to an answer.
type Phase string

// The phases, and the two reasons beside them for not having tested.
const (
	PhaseUsage       Phase = "usage"
	PhaseDNS         Phase = "dns"
	PhaseTCP         Phase = "tcp"
	PhaseTLS         Phase = "tls"
	PhaseHTTP        Phase = "http"
	PhaseInterrupted Phase = "interrupted"
)

// A Read is one arrival of body bytes, stamped when the connection gave them.
type Read struct {
	At time.Duration `json:"at"` // since the start of the observation
	N  int           `json:"n"`  // bytes of the body, compression not undone
}

// A Redirect is one step of a chain of redirects.
type Redirect struct {
	Status int    `json:"status"`
	From   string `json:"from"`
	To     string `json:"to"`
	Method string `json:"method"` // of the request that follows it
}

// TLS is what the handshake settled.
type TLS struct {
	Version  uint16    `json:"version"`
	NotAfter time.Time `json:"notAfter"`
	Unproven bool      `json:"unproven,omitempty"` // the client was told to take any certificate
}

// An Exchange is one request and what came of it. Times count from the start of
// the observation; a time of zero means that it did not come to that.
type Exchange struct {
	Role          Role          `json:"role"`
	Method        string        `json:"method"`
	URL           string        `json:"url"`
	RequestHeader http.Header   `json:"requestHeader,omitempty"`
	Start         time.Duration `json:"start"`
	Connected     time.Duration `json:"connected,omitempty"` // TCP
	Dial          time.Duration `json:"dial,omitempty"`      // how long that took
	Answered      time.Duration `json:"answered,omitempty"`  // the headers were there
	Ended         time.Duration `json:"ended,omitempty"`
	Proto         string        `json:"proto,omitempty"`
	TLS           *TLS          `json:"tls,omitempty"`
	Redirects     []Redirect    `json:"redirects,omitempty"`
	Loop          bool          `json:"loop,omitempty"` // the redirects led in a circle
	Status        int           `json:"status,omitempty"`
	Header        http.Header   `json:"header,omitempty"`
	RawHeader     []byte        `json:"rawHeader,omitempty"` // HTTP/1, where it could be seen
	Reads         []Read        `json:"reads,omitempty"`
	Body          []byte        `json:"body,omitempty"` // as the reads brought it
	Clipped       bool          `json:"clipped,omitempty"`
	End           End           `json:"end"`
	Between       bool          `json:"between,omitempty"` // it was closed, not reset, behind a whole chunk
	Phase         Phase         `json:"phase,omitempty"`   // where it failed
	Error         string        `json:"error,omitempty"`

	line *timeline // once it was asked for
}

// as returns the exchange in another role.
func (x *Exchange) as(role Role) *Exchange {
	y := *x
	y.Role, y.line = role, nil
	return &y
}

// ok reports whether the exchange is an open event stream.
func (x *Exchange) ok() bool {
	return x != nil && x.Status == http.StatusOK && isEventStream(x.Header)
}

// silent reports whether the exchange got no answer, or was not made.
func (x *Exchange) silent() bool { return x == nil || x.Status == 0 }

// ttfb is how long the headers took from the request on, without the dialing.
func (x *Exchange) ttfb() time.Duration {
	if x == nil || x.Answered == 0 {
		return 0
	}
	return x.Answered - max(x.Connected, x.Start)
}

// timeline parses the body, once.
func (x *Exchange) timeline() *timeline {
	if x == nil {
		return &timeline{}
	}
	if x.line == nil {
		x.line = newTimeline(x)
	}
	return x.line
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

// once returns the value that build makes of the observation, made once for each
// key.
func (o *Observation) once(key any, build func() any) any {
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

// get returns the first exchange of a role, or nil.
func (o *Observation) get(role Role) *Exchange {
	for _, x := range o.Exchanges {
		if x.Role == role {
			return x
		}
	}
	return nil
}

// a returns the main exchange. There always is one.
func (o *Observation) a() *Exchange { return o.get(RoleA) }

// rtt estimates the round trip: the quickest TCP connect, or the quickest
// answer where a proxy did the connecting.
func (o *Observation) rtt() time.Duration {
	var best time.Duration
	for _, x := range o.Exchanges {
		for _, d := range []time.Duration{x.Dial, x.ttfb()} {
			if d > 0 && (best == 0 || d < best) {
				best = d
			}
		}
	}
	return best
}

// baseline is how long the server takes at least for an answer that is no
// stream. Where the handler of the stream answers HEAD and OPTIONS too, those
// are as slow as the stream.
func (o *Observation) baseline() (least time.Duration, ok bool) {
	for _, role := range []Role{RoleHead, RoleBaseline, RolePreflight} {
		if x := o.get(role); x != nil && x.Answered > 0 && (!ok || x.ttfb() < least) {
			least, ok = x.ttfb(), true
		}
	}
	return least, ok
}

// stalled reports whether the probe's machine slept at some time in [from, to].
func (o *Observation) stalled(from, to time.Duration) bool {
	for _, s := range o.Stalls {
		if s.From <= to && from <= s.To {
			return true
		}
	}
	return false
}

// plainBody is the body without its compression and the space around it.
func (x *Exchange) plainBody() []byte {
	body := x.Body
	if coding := coding.Of(x.Header); coding != "" {
		body, _ = decodePrefix(coding, body, maxOtherPlain)
	}
	return bytes.TrimSpace(body)
}

func isEventStream(h http.Header) bool { return stream.IsEventStream(h.Get("Content-Type")) }
