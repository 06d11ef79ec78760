package servecmd

import (
	"testing"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/drift"
	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/stream"
)

// An answer that was written by hand is asked for where its match is a whole request.
func TestFakeQuestions(t *testing.T) {
	data := func(text string) record.Record {
		return record.Record{IsEvent: true, Event: stream.Event{Type: "message", Data: text}}
	}
	a := fake.Answer{
		Name: "chat", Match: fake.Match{Method: "POST", Path: "/v1/a b", Query: map[string]string{"v": "1", "w": fake.Absent}, JSON: map[string]any{"n": 1}},
		Times: 1, After: []string{"other"}, Reply: fake.Events(data(`{"a":1}`), data("[DONE]")),
	}
	q := fakeQuestion(a, nil)
	if q.request == nil || q.request.Path != "/v1/a%20b" || q.request.Query != "v=1" || string(q.request.Body.Bytes) != `{"n":1}` {
		t.Fatalf("%+v, %s", q.request, q.why)
	}
	recorded, err := q.recorded()
	if err != nil || recorded.Status != 200 || recorded.Type != "text/event-stream" || recorded.Events() != 2 || recorded.Cut != "" {
		t.Fatalf("%+v, %v", recorded, err)
	}
	a.Reply = fake.JSON(429, map[string]any{"error": "slow"})
	other, err := fakeQuestion(a, nil).recorded()
	if err != nil || other.Status != 429 {
		t.Fatalf("%+v, %v", other, err)
	}
	if found := drift.Compare(recorded, other); len(found) == 0 || found[0].Place != "status" {
		t.Errorf("found %v", found)
	}
	for why, m := range map[string]fake.Match{
		"it names no method and path": {JQ: "true"},
		"it names no method":          {Path: "/x"},
		"it names no path":            {Method: "GET"},
		"its path is a pattern":       {Method: "GET", Path: "/{id}"},
		"it matches by an expression": {Method: "GET", Path: "/x", JQ: "true"},
		"it names no body":            {Method: "POST", Path: "/x"},
		"it matches by a pattern":     {Method: "GET", Path: "/x", Query: map[string]string{"a": "b*"}},
	} {
		if q := fakeQuestion(fake.Answer{Match: m}, nil); q.request != nil || q.why != why {
			t.Errorf("%+v: %q, want %q", m, q.why, why)
		}
	}
}
