package pertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The tests that were used last are kept, and requests without a name always are.
func TestStates(t *testing.T) {
	var states States[int]
	of := func(name string) *int { return states.Of(name, func() *int { return new(int) }) }
	*of(""), *of("kept") = 1, 2
	for i := range 3 * most {
		*of(fmt.Sprint(i)) = i
		of("kept")
	}
	for name, want := range map[string]int{"": 1, "kept": 2, "0": 0, fmt.Sprint(3*most - 1): 3*most - 1} {
		if got := *of(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
	if len(states.named) != most || states.used.Len() != most {
		t.Errorf("%d and %d kept, want %d", len(states.named), states.used.Len(), most)
	}
}

func TestName(t *testing.T) {
	header := http.Header{}
	if got := Name(header); got != "" {
		t.Errorf("without a header: %q", got)
	}
	header.Set("x-ssectl-test", strings.Repeat("n", 1000))
	if got := Name(header); len(got) != maxName {
		t.Errorf("%d bytes, want %d", len(got), maxName)
	}
}
