package fault_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

// asked returns a request of a test.
func asked(test string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	if test != "" {
		r.Header.Set("X-Ssectl-Test", test)
	}
	return r
}

func faults(t *testing.T, texts ...string) (list []fault.Fault) {
	t.Helper()
	for _, text := range texts {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

// Each test counts on its own, whatever the others do at the same time.
func TestTestsCountApart(t *testing.T) {
	s := set(t, 1, "drop@3:#1", "status=503@2")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			name := ""
			if i > 0 {
				name = fmt.Sprint(i)
			}
			for n := 1; n <= 3; n++ {
				p := s.Of(asked(name))
				if p.Cuts() != (n == 1) || (p.Status == 503) != (n == 2) {
					t.Errorf("test %q, request %d: cut %v, status %d", name, n, p.Cuts(), p.Status)
				}
			}
		})
	}
	wg.Wait()
}

// Faults that are replaced are those of one test, and count from the beginning.
func TestReplace(t *testing.T) {
	control := fault.NewControl(faults(t, "drop@3:#1"))
	first, second := control.NewSet(false, 1), control.NewSet(false, 1)
	before := first.Of(asked("a"))
	control.Replace("a", faults(t, "status=429:#1-2"))
	if !before.Cuts() {
		t.Error("the plan of a request under way has changed")
	}
	for n, want := range []int{429, 429, 0} {
		if p := first.Of(asked("a")); p.Status != want || p.Cuts() {
			t.Errorf("request %d: status %d, cut %v; want %d", n+1, p.Status, p.Cuts(), want)
		}
	}
	if p := second.Of(asked("a")); p.Status != 429 {
		t.Errorf("another handler: status %d", p.Status)
	}
	for _, other := range []string{"", "b"} {
		if p := first.Of(asked(other)); p.Status != 0 || !p.Cuts() {
			t.Errorf("test %q: status %d, cut %v", other, p.Status, p.Cuts())
		}
	}
	control.Replace("a", nil)
	if p := first.Of(asked("a")); p.Status != 0 || p.Cuts() || len(control.Faults("a")) != 0 || len(control.Faults("b")) != 1 {
		t.Errorf("cleared: %+v; %v", p, control.Faults("a"))
	}
}

// The first attempt of each client has the fault, and those that come back have not.
func TestAttempts(t *testing.T) {
	s := set(t, 1, "drop@3:first", "garble:again #1")
	for i, test := range []struct {
		name, value, target string
		first               bool
	}{
		{"", "", "/", true},
		{"Last-Event-ID", "7", "/", false},
		{"", "", "/?lastEventId=7", false},
		{"X-Stainless-Retry-Count", "0", "/", true},
		{"X-Stainless-Retry-Count", "2", "/", false},
		{"X-Stainless-Retry-Count", "-1", "/", true},
		{"X-Stainless-Retry-Count", "x", "/", true},
		{"", "", "/?lastEventId=", true},
	} {
		r := httptest.NewRequest("POST", test.target, nil)
		if test.name != "" {
			r.Header.Set(test.name, test.value)
		}
		if got := s.Of(r).Cuts(); got != test.first {
			t.Errorf("%d: %+v: cut %v", i, test, got)
		}
	}
}
