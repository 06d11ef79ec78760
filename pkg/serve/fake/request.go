package fake

import (
	"net/http"
	"net/url"
)

// A Request is a request of a client, read whole.
type Request struct {
	Method string
	Path   string // decoded
	Query  url.Values
	Header http.Header
	Host   string

	Body []byte
	JSON any // the value of the body, with numbers as json.Number; nil if it is not JSON

	Params map[string]string // the segments of the path that a pattern names
	Number int64             // of the request, from 1, within its test
}
