package servecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/serve/drift"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

// fakeQuestion returns the question that an answer which was written by hand is for, if
// its match is a whole request.
func fakeQuestion(a fake.Answer, service fake.Service) question {
	q := question{name: a.Name}
	if a.Content != nil && a.Service == nil && service == nil {
		q.why = "it is a text, which a service of --as tells"
		return q
	}
	if q.request, q.why = wholeRequest(&a.Match); q.request == nil {
		return q
	}
	q.recorded = func() (*drift.Answer, error) { return writtenAnswer(a, service, q.request) }
	return q
}

// wholeRequest returns the request that a match is for, nil and the reason where it is
// for several.
func wholeRequest(m *fake.Match) (*tape.Request, string) {
	r := &tape.Request{Method: m.Method, Path: m.Path, Header: http.Header{}}
	switch {
	case m.Method == "" && m.Path == "":
		return nil, "it names no method and path"
	case m.Method == "":
		return nil, "it names no method"
	case m.Path == "":
		return nil, "it names no path"
	case strings.ContainsAny(m.Path, "{*"):
		return nil, "its path is a pattern"
	case m.JQ != "":
		return nil, "it matches by an expression"
	case m.JSON == nil && m.Body == "" && slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, m.Method):
		return nil, "it names no body"
	}
	values := url.Values{}
	for name, value := range m.Query {
		if value != fake.Absent {
			values.Set(name, value)
		}
	}
	for name, value := range m.Header {
		if value != fake.Absent {
			r.Header.Set(name, value)
		}
	}
	r.Path = (&url.URL{Path: m.Path}).EscapedPath()
	if r.Query = values.Encode(); strings.Contains(fmt.Sprint(values, r.Header, m.Body), "*") {
		return nil, "it matches by a pattern"
	}
	switch {
	case m.JSON != nil:
		text, err := json.Marshal(m.JSON)
		if err != nil {
			return nil, err.Error()
		}
		r.Body = tape.Body{Known: true, JSON: text, Bytes: text}
	case m.Body != "":
		r.Body = tape.Body{Known: true, Bytes: []byte(m.Body)}
	}
	return r, ""
}

// writtenAnswer returns the shape of an answer, which is given for that.
func writtenAnswer(a fake.Answer, service fake.Service, r *tape.Request) (*drift.Answer, error) {
	a.After, a.Times, a.Faults, a.Delay, a.Channel, a.Tell = nil, 0, nil, 0, nil, nil
	none := func(time.Duration, bool) time.Duration { return 0 }
	a.Wait = none
	handler, err := fake.NewHandler(fake.Options{Answers: []fake.Answer{a}, Service: service, Wait: none, FaultControl: fault.NewControl(nil)})
	if err != nil {
		return nil, err
	}
	target := r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxWritten)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://localhost"+target, bytes.NewReader(r.Body.Bytes))
	if err != nil {
		return nil, err
	}
	request.Header = r.Header.Clone()
	w := &kept{header: http.Header{}}
	cut := w.serve(handler, request)
	answer, err := drift.Read(&http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body)}, 0)
	if err == nil && cut {
		answer.Cut = "cut"
	}
	return answer, err
}

// maxWritten bounds the time in which an answer is made.
const maxWritten = 10 * time.Second

// A kept is a response that is kept.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// serve has a handler respond, and reports whether it cut the response.
func (k *kept) serve(h http.Handler, r *http.Request) (cut bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			cut = true
		default:
			panic(p)
		}
	}()
	h.ServeHTTP(k, r)
	return false
}

func (k *kept) Header() http.Header { return k.header }

func (k *kept) WriteHeader(status int) {
	if k.status == 0 && status >= http.StatusOK {
		k.status = status
	}
}

func (k *kept) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}

// Flush is for [http.ResponseController].
func (k *kept) Flush() { k.WriteHeader(http.StatusOK) }
