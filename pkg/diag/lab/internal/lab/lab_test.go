package lab

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestNames finds set-ups that would be mixed up in a table, and cures for none.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Setups {
		if seen[s.Name] {
			t.Errorf("two set-ups are called %q", s.Name)
		}
		seen[s.Name] = true
		if _, ok := programs[s.Program]; s.Program != "" && !ok {
			t.Errorf("%s: nothing tells how to start %s", s.Name, s.Program)
		}
	}
	for _, c := range Cures {
		if !seen[c.Sick] {
			t.Errorf("no set-up is called %q", c.Sick)
		}
	}
}

// TestResumes asks a publisher with ten events for the events after the sixth.
func TestResumes(t *testing.T) {
	for resume, want := range map[Resume]int{
		Exact: 7, History: 7, Inclusive: 6, Overlap: 3, Gap: 9, LiveOnly: 11, Restarts: 1, Backlog: 6,
	} {
		p := NewPublisher()
		p.Traffic, p.Resume = Steady, resume
		for id := range 11 {
			p.events = append(p.events, Steady.event(id+1, false, 10, 0))
		}
		p.events = p.events[:10]
		server := httptest.NewServer(p)
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
		request.Header.Set("Last-Event-ID", "6")
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		p.mu.Lock() // now the eleventh comes
		p.events = p.events[:11]
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
		line, err := bufio.NewReader(resp.Body).ReadString('\n')
		if got := strings.TrimSpace(line); err != nil || got != fmt.Sprintf("id: %d", want) {
			t.Errorf("%s: after 6 came %q, want id %d (error %v)", resume, got, want, err)
		}
		resp.Body.Close()
		server.CloseClientConnections()
		server.Close()
	}
}

// TestAvailable expects that a set-up whose package is missing is left out.
func TestAvailable(t *testing.T) {
	t.Setenv("SSECTL_LAB_NODE", t.TempDir())
	at := slices.IndexFunc(Setups, func(s Setup) bool { return s.Name == "Express, compression" })
	if Setups[at].Available() {
		t.Error("Express is said to be there, in an empty folder")
	}
}
