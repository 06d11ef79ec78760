package stream_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/internal/streamtest"
)

// A specCase is one case of testdata/spec.
type specCase struct {
	name, at string // at is file:line
	in       string
	want     reference
}

func specCases(t testing.TB) []specCase {
	t.Helper()
	var cases []specCase
	for _, read := range streamtest.Cases(t) {
		c := specCase{name: read.Name, at: read.At, in: read.In}
		for _, want := range read.Want {
			c.add(t, want)
		}
		cases = append(cases, c)
	}
	return cases
}

// add adds a line of the result.
func (c *specCase) add(t testing.TB, want streamtest.Want) {
	t.Helper()
	switch args := want.Args; {
	case want.Word == "event" && len(args) == 3:
		c.want.events = append(c.want.events, refEvent{args[0], args[1], args[2]})
	case want.Word == "comment" && len(args) == 1:
		c.want.comments = append(c.want.comments, args[0])
	case want.Word == "id" && len(args) == 1:
		c.want.lastEventID = args[0]
	case want.Word == "retry" && len(args) == 1:
		ms, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", want.At, err)
		}
		c.want.retry, c.want.hasRetry = time.Duration(ms)*time.Millisecond, true
	case want.Word == "unfinished" && len(args) == 0:
		c.want.unfinished = true
	default:
		t.Fatalf("%s: cannot read %s %q", want.At, want.Word, args)
	}
}

// TestReferenceMeetsSpec keeps the reference decoder honest, on which all the
// comparisons below rest.
func TestReferenceMeetsSpec(t *testing.T) {
	for _, c := range specCases(t) {
		if diff := diffReference(decodeReference(c.in), c.want); diff != "" {
			t.Errorf("%s: %s\ninput %q\n%s", c.at, c.name, c.in, diff)
		}
	}
}

// diffReference describes the points in which got differs from want.
func diffReference(got, want reference) string {
	var diff strings.Builder
	compare := func(what string, got, want any) {
		if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
			fmt.Fprintf(&diff, "%s:\n got %s\nwant %s\n", what, g, w)
		}
	}
	compare("events", got.events, want.events)
	compare("comments", got.comments, want.comments)
	compare("last event ID", got.lastEventID, want.lastEventID)
	if got.retry != want.retry || got.hasRetry != want.hasRetry {
		fmt.Fprintf(&diff, "retry: got %v %v, want %v %v\n", got.retry, got.hasRetry, want.retry, want.hasRetry)
	}
	if got.unfinished != want.unfinished {
		fmt.Fprintf(&diff, "unfinished: got %v, want %v\n", got.unfinished, want.unfinished)
	}
	return diff.String()
}
