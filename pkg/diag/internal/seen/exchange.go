package seen

import (
	"bytes"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/pkg/stream"
)

// A Role is the purpose of an exchange.
type Role string

// The roles of exchanges.
const (
	RoleMain      Role = "a"          // the stream, asked for as a browser does; stays open to the end
	RoleSecond    Role = "twin"       // the same again, a little later
	RoleIdentity  Role = "identity"   // the same without compression
	RoleConfirm   Role = "again"      // once more, where something seemed to be held
	RoleJoin      Role = "fresh"      // opened between two events, to see which comes first
	RoleResume1   Role = "resume1"    // with the ID of the event before the last
	RoleResume2   Role = "resume2"    // with the ID of an event some places earlier
	RoleNoID      Role = "control"    // without an ID, beside those two
	RoleUnknownID Role = "unknown-id" // with an ID the server never gave
	RoleLastID    Role = "last-id"    // after the end of a finite stream, with its last ID
	RoleCacheBust Role = "bust"       // with a query that no cache has seen
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
	RoleMCPListen Role = "mcp-listen"
	RoleMCPDelete Role = "mcp-delete"

	RoleForeign     Role = "foreign"         // with the credentials of another user, and an ID of the first
	RoleForeignNoID Role = "foreign-control" // with those, and no ID

	RoleOriginResume1 Role = "origin-resume1"
	RoleOriginResume2 Role = "origin-resume2"
	RoleOriginNoID    Role = "origin-control"
)

// An End is the way in which an exchange ended.
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

// The phases, and an interruption, which also ends a run early.
const (
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

// TLS describes the connection after its handshake.
type TLS struct {
	Version  uint16    `json:"version"`
	NotAfter time.Time `json:"notAfter"`
	Unproven bool      `json:"unproven,omitempty"` // the client takes any certificate
}

// An Exchange is one request and its answer. Times count from the start of the
// observation; a time of zero means that it did not come to that.
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
	Issuers       []string      `json:"issuers,omitempty"` // of the certificates, also where they were not accepted
	Redirects     []Redirect    `json:"redirects,omitempty"`
	Loop          bool          `json:"loop,omitempty"` // the redirects led in a circle
	Status        int           `json:"status,omitempty"`
	Header        http.Header   `json:"header,omitempty"`
	RawHeader     []byte        `json:"rawHeader,omitempty"` // HTTP/1, where it could be seen
	Reads         []Read        `json:"reads,omitempty"`
	Body          []byte        `json:"body,omitempty"` // as the reads brought it
	Clipped       bool          `json:"clipped,omitempty"`
	End           End           `json:"end"`
	Between       bool          `json:"between,omitempty"` // it was closed, not reset, after a whole chunk
	Phase         Phase         `json:"phase,omitempty"`   // where it failed
	Error         string        `json:"error,omitempty"`

	line   *Timeline // once it was asked for
	growth *Growth
}

// As returns the exchange in another role.
func (x *Exchange) As(role Role) *Exchange {
	y := *x
	y.Role, y.line, y.growth = role, nil, nil
	return &y
}

// OK reports whether the exchange is an open event stream.
func (x *Exchange) OK() bool {
	return x != nil && x.Status == http.StatusOK && IsEventStream(x.Header)
}

// Silent reports whether the exchange got no answer, or was not made.
func (x *Exchange) Silent() bool { return x == nil || x.Status == 0 }

// TTFB is how long the headers took from the request on, without the dialing.
func (x *Exchange) TTFB() time.Duration {
	if x == nil || x.Answered == 0 {
		return 0
	}
	return x.Answered - max(x.Connected, x.Start)
}

// Growth is shared by the snapshots of an exchange that goes on, so that the
// timeline of each begins with that of the one before.
type Growth struct{ last *Timeline }

// Grow makes x a snapshot of an exchange that goes on.
func (x *Exchange) Grow(g *Growth) { x.growth = g }

// Timeline parses the body, once.
func (x *Exchange) Timeline() *Timeline {
	if x == nil {
		return &Timeline{}
	}
	if x.line == nil && x.growth == nil {
		x.line = newTimeline(x, nil)
	} else if x.line == nil {
		x.line = newTimeline(x, x.growth.last)
		if x.growth.last = x.line; x.line.Encoded != "" {
			x.growth.last = nil // of no use for the next
		}
	}
	return x.line
}

// PlainBody is the body without its compression and the space around it.
func (x *Exchange) PlainBody() []byte {
	body := x.Body
	if coding := coding.Of(x.Header); coding != "" {
		body, _ = decodePrefix(coding, body, maxOtherPlain)
	}
	return bytes.TrimSpace(body)
}

func IsEventStream(h http.Header) bool { return stream.IsEventStream(h.Get("Content-Type")) }

func SentHeader(x *Exchange, name string) string {
	for key, values := range x.RequestHeader {
		if http.CanonicalHeaderKey(key) == http.CanonicalHeaderKey(name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// HeadersAlone reports whether headers came well before the first byte.
func HeadersAlone(x *Exchange) bool {
	if len(x.Reads) == 0 {
		return x.Ended-x.Answered > Together
	}
	return x.Reads[0].At-x.Answered > 5*Together
}
