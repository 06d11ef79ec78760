package exchange

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/ssectl/ssectl/pkg/record"
)

// calls notes the names of the methods that are called.
type calls struct {
	name string
	to   *[]string
}

func (c calls) Response(*Response)   { *c.to = append(*c.to, c.name+" response") }
func (c calls) Event(*record.Record) { *c.to = append(*c.to, c.name+" event") }
func (c calls) Body([]byte)          { *c.to = append(*c.to, c.name+" body") }
func (c calls) End(End)              { *c.to = append(*c.to, c.name+" end") }

func TestWatches(t *testing.T) {
	var got []string
	a := func(*Request) Watcher { return calls{"a", &got} }
	b := func(*Request) Watcher { return calls{"b", &got} }
	none := func(*Request) Watcher { return nil }
	w := Watches(none, a, b)(&Request{})
	w.Response(&Response{Header: http.Header{}})
	w.Event(&record.Record{})
	w.Body(nil)
	w.End(End{})
	want := []string{"a response", "b response", "a event", "b event", "a body", "b body", "a end", "b end"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
	if w := Watches(none)(&Request{}); w != nil {
		t.Errorf("nobody watches, and the watcher is %v", w)
	}
}

func TestRequestBody(t *testing.T) {
	r := &Request{}
	r.Passed([]byte("abc"), 4)
	before := r.Body()
	r.Passed([]byte("def"), 4)
	r.Finished()
	if got := r.Body(); string(got.Bytes) != "abcd" || got.Size != 6 || !got.Whole || got.Complete() {
		t.Errorf("body is %+v (%q), want abcd of 6 bytes", got, got.Bytes)
	}
	if string(append(before.Bytes, 'x')) != "abcx" || string(r.Body().Bytes) != "abcd" {
		t.Error("a body that was returned shares the room for the next piece")
	}
}

func TestEndInWords(t *testing.T) {
	for want, end := range map[string]End{
		"whole":                               {How: Whole, Events: 3},
		"the upstream reset it after event 3": {How: Reset, Events: 3},
		"the client left":                     {How: ClientLeft},
		"no answer: connection refused":       {How: Refused, Err: errors.New("connection refused")},
	} {
		if got := end.String(); got != want {
			t.Errorf("%+v is %q, want %q", end, got, want)
		}
	}
}
