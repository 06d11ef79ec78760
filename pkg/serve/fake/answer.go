package fake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// An Answer is what the requests that match it get. The first answer of a [Handler] that
// matches a request and is not used up is given.
type Answer struct {
	Name  string // for people, and for After; one is made up if it is empty
	Place string // of the file that it is written in, for people

	Match Match
	After []string // names of answers that must have been given before
	Times int      // how often it is given; 0 is any number of times

	// One of these makes the reply. Content is told by Service, or else by the
	// service of the handler. A Reply is not changed.
	Reply   *Reply
	Content *Content
	Make    func(*Request) (*Reply, error)
	Service Service

	Delay  time.Duration // before the head
	Wait   Wait          // before events, if not nil, in place of the handler's
	Faults []fault.Fault // of this answer; the requests of their scopes are those that it is given to

	// Channel, if not nil, names a channel: after its own events, a stream stays open
	// and sends what others tell the channel. Tell, if not nil, does that before the
	// reply is sent. So an answer comes on the stream of another request.
	Channel func(*Request) (string, error)
	Tell    func(*Request) (*Telling, error)
}

// A Telling is what is sent on the streams that listen to a channel.
type Telling struct {
	Channel string
	Records []record.Record
	End     bool // of the streams, after the records
}

// A Wait returns how long to wait where an answer has the given time: before an event
// that is not the first (next), or before anything else.
type Wait func(own time.Duration, next bool) time.Duration

// reply makes the reply to a request. A service is that of the handler.
func (a *Answer) reply(r *Request, service Service) (*Reply, error) {
	if a.Service != nil {
		service = a.Service
	}
	switch {
	case a.Make != nil:
		reply, err := a.Make(r)
		if reply == nil && err == nil {
			err = errors.New("no reply was made")
		}
		return reply, err
	case a.Content != nil:
		return tell(service, r, a.Content)
	case a.Reply != nil:
		return a.Reply, nil
	}
	return &Reply{}, nil
}

// tell returns the reply with a content.
func tell(service Service, r *Request, content *Content) (*Reply, error) {
	if service == nil {
		return nil, errors.New("there is no service that tells a text")
	}
	reply := service.Reply(r, content)
	if reply == nil {
		return nil, fmt.Errorf("the service has no endpoint %s %s", r.Method, r.Path)
	}
	return reply, nil
}

// resumed returns the reply to a client that comes back with a last event ID: the
// records after that event, or 204 if there are none, as for a file. Any other ID gets
// all of them.
func resumed(r *Request, header http.Header, status int, records []record.Record) *Reply {
	id := r.Header.Get("Last-Event-ID")
	for i := range records {
		if id == "" || !records[i].HasID || records[i].ID != id {
			continue
		}
		if i == len(records)-1 {
			return &Reply{Status: http.StatusNoContent, Header: header}
		}
		records = records[i+1:]
		break
	}
	reply := Events(records...)
	reply.Status, reply.Header = status, header
	return reply
}

// listening returns a reply that goes on with what a channel is told.
func listening(reply *Reply, l *listener) *Reply {
	stays := *reply
	own := reply.Stream
	stays.Stream = func(ctx context.Context, send func(record.Record) error) error {
		if own != nil {
			if err := own(ctx, send); err != nil {
				return err
			}
		}
		return l.send(ctx, send)
	}
	return &stays
}
