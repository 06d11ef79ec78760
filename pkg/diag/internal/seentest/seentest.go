package seentest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// With changes an exchange of a recording.
func With(x *seen.Exchange, change func(*seen.Exchange)) *seen.Exchange {
	change(x)
	return x
}

func Head(name, value string) func(*seen.Exchange) {
	return func(x *seen.Exchange) { x.Header.Set(name, value) }
}

func Asked(id string) func(*seen.Exchange) {
	return func(x *seen.Exchange) { x.RequestHeader = http.Header{"Last-Event-ID": {id}} }
}

// Steady is a stream of small events, one every so many ms.
func Steady(role seen.Role, startMS, everyMS, n, first int) *seen.Exchange {
	x := Recorded(role, startMS, seen.EndClient, startMS+everyMS*(n+1))
	for i := range n {
		text := Ev(first+i, 60)
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, seen.Read{At: MS(startMS + everyMS*(i+1)), N: len(text)})
	}
	return x
}

// Pieces is a stream of events, held and let go in pieces of a size.
func Pieces(role seen.Role, everyMS, size, n int) *seen.Exchange {
	x := Recorded(role, 0, seen.EndClient, everyMS*(n+1))
	var all string
	for i := 0; len(all) < size*n; i++ {
		all += Ev(i+1, 180+37*(i%5))
	}
	for i := range n {
		x.Body = append(x.Body, all[i*size:(i+1)*size]...)
		x.Reads = append(x.Reads, seen.Read{At: MS(everyMS * (i + 1)), N: size})
	}
	return x
}

// A step of a recording: text that arrives at a time.
type step struct {
	MS   int
	text string
}

// Arrive is text that arrives at a time in ms.
func Arrive(ms int, text string) step { return step{ms, text} }

// Recorded makes an exchange from the arrivals.
func Recorded(role seen.Role, startMS int, end seen.End, endMS int, steps ...step) *seen.Exchange {
	x := &seen.Exchange{
		Role: role, Method: http.MethodGet, URL: "http://127.0.0.1/", Proto: "HTTP/1.1", Status: 200, End: end,
		Start: MS(startMS), Connected: MS(startMS), Dial: time.Millisecond / 2, Answered: MS(startMS + 1), Ended: MS(endMS),
		Header: http.Header{"Content-Type": {"text/event-stream"}},
	}
	for _, s := range steps {
		x.Body = append(x.Body, s.text...)
		x.Reads = append(x.Reads, seen.Read{At: MS(s.MS), N: len(s.text)})
	}
	return x
}

func MS(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// RecordedAt is when every recording began.
var RecordedAt = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Recording makes an observation of exchanges.
func Recording(exchanges ...*seen.Exchange) *seen.Observation {
	o := &seen.Observation{URL: "http://127.0.0.1/", Method: http.MethodGet, Window: 12 * time.Second, Time: RecordedAt, Exchanges: exchanges}
	for _, x := range exchanges {
		o.Duration = max(o.Duration, x.Ended)
	}
	return o
}

// Ev is event n, padded to some size.
func Ev(n, size int) string {
	text := fmt.Sprintf("id: %d\ndata: %d ", n, n)
	for len(text) < size-2 {
		text += "x"
	}
	return text + "\n\n"
}
