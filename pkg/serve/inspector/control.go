package inspector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/ssectl/ssectl/internal/pertest"
	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// Programs that test something ask here: which requests came, and for faults. No page
// of another origin may.

// serveRequests lists the requests that are kept, the newest last.
func (h *handler) serveRequests(w http.ResponseWriter, r *http.Request) {
	query, after := r.URL.Query(), int64(0)
	if text := query.Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, fmt.Sprintf("ssectl: after=%s: want the number of a request", text), http.StatusBadRequest)
			return
		}
	}
	var test *string
	if name := testOf(r); name != "" || query.Has("test") {
		test = &name
	}
	answer(w, h.Log.Requests(after, test))
}

// testOf returns the name of the test that a request is about, or of.
func testOf(r *http.Request) string {
	if query := r.URL.Query(); query.Has("test") {
		return pertest.Clip(query.Get("test"))
	}
	return pertest.Name(r.Header)
}

// faults is the body of requests and answers of the API of faults.
type faults struct {
	Test  string     `json:"test"`
	Fault stringList `json:"fault"`
}

// A stringList is written as a list, and read from a single text too.
type stringList []string

func (l *stringList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = stringList{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

const maxFaults = 64 << 10 // bytes of a request: they are kept for each test

// serveFault shows the faults of a test, sets others in their place, or clears them.
func (h *handler) serveFault(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, err error) { http.Error(w, "ssectl: "+err.Error(), status) }
	test := testOf(r)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		h.Faults.Replace(test, nil)
	case http.MethodPost:
		// A form of a page cannot have this type (https://fetch.spec.whatwg.org/#cors-safelisted-request-header).
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			refuse(http.StatusUnsupportedMediaType, errors.New("want JSON, and Content-Type: application/json"))
			return
		}
		asked := faults{Test: test}
		list, err := readFaults(http.MaxBytesReader(w, r.Body, maxFaults), &asked)
		if err != nil {
			refuse(http.StatusBadRequest, err)
			return
		}
		test = pertest.Clip(asked.Test)
		h.Faults.Replace(test, list)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		refuse(http.StatusMethodNotAllowed, errors.New("want GET, POST or DELETE"))
		return
	}
	now := faults{Test: test, Fault: stringList{}}
	for _, f := range h.Faults.Faults(test) {
		now.Fault = append(now.Fault, f.String())
	}
	answer(w, now)
}

// readFaults reads the faults of a request.
func readFaults(body io.Reader, asked *faults) (list []fault.Fault, err error) {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(asked); err != nil {
		return nil, fmt.Errorf(`want {"fault": ["drop@3:#1"], "test": "name"}: %w`, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("want one object of JSON, and nothing after it")
	}
	if asked.Fault == nil {
		return nil, errors.New(`want {"fault": ["drop@3:#1"]}; DELETE clears them`)
	}
	for _, text := range asked.Fault {
		f, err := fault.Parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}
