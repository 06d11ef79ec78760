package answer

import (
	"net/http"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
)

// maxWatched bounds the body of a request that a watcher gets, in bytes.
const maxWatched = 1 << 20

// Watch tells of a request that was read, and returns the watcher of its answer, never
// nil. The watch may be nil; number returns the number of the exchange.
func Watch(watch exchange.Watch, number func() int64, start time.Time, r *http.Request, body []byte) exchange.Watcher {
	if watch == nil {
		return Nobody{}
	}
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	request := &exchange.Request{Number: number(), Time: start, Remote: r.RemoteAddr, Method: r.Method, URL: &u, Host: r.Host, Header: r.Header.Clone()}
	// The body comes first: the differences of the request may repeat its secrets.
	request.Passed(body, maxWatched)
	request.Finished()
	if w := watch(request); w != nil {
		return w
	}
	return Nobody{}
}

// Nobody watches an exchange.
type Nobody struct{}

func (Nobody) Response(*exchange.Response) {}
func (Nobody) Event(*record.Record)        {}
func (Nobody) Body([]byte)                 {}
func (Nobody) End(exchange.End)            {}
