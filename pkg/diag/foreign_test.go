package diag

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestForeignID has servers of two users, which find the events after an ID in four
// ways. No secret of either is in the report.
func TestForeignID(t *testing.T) {
	for name, test := range map[string]struct {
		foreign func(f *fake, w http.ResponseWriter, r *http.Request)
		want    Status
	}{
		"by the ID alone": {func(f *fake, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Last-Event-ID") != "" {
				f.answer(w, r)
				return
			}
			own(w, r)
		}, Fail},
		"by the ID, once":       {replayOnly, Fail},
		"by the user":           {func(_ *fake, w http.ResponseWriter, r *http.Request) { own(w, r) }, Pass},
		"one stream for all":    {func(f *fake, w http.ResponseWriter, r *http.Request) { f.answer(w, r) }, Warn},
		"refused with an ID":    {func(_ *fake, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, Pass},
		"an error with any ID":  {func(_ *fake, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, Inconclusive},
		"a page in place of it": {func(_ *fake, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Log in</html>") }, Pass},
	} {
		for _, every := range []time.Duration{100 * time.Millisecond, time.Second} {
			f := &fake{every: every, first: "retry: 3000\n\n"}
			f.instead = func(w http.ResponseWriter, r *http.Request) bool {
				switch r.Header.Get("Authorization") {
				case "Bearer of-the-other":
					if r.Header.Get("X-Tenant") != "" || r.Header.Get("Cookie") != "" {
						t.Errorf("%s: the other user has headers of the first: %v", name, r.Header)
					}
					test.foreign(f, w, r)
				case "Bearer of-the-first":
					return false
				default:
					w.WriteHeader(http.StatusUnauthorized)
				}
				return true
			}
			report := timed(t, f, func(r *run) {
				r.Request.Header.Set("Authorization", "Bearer of-the-first")
				r.Request.Header.Set("Cookie", "session=of-the-first")
				r.Request.Header.Set("X-Tenant", "one")
				r.OtherRequest = r.Request.Clone(t.Context())
				r.OtherRequest.Header.Set("Authorization", "Bearer of-the-other")
				r.OtherRequest.Header.Del("Cookie")
				r.OtherRequest.Header.Del("X-Tenant")
			})
			if c := finding(report, "resume-foreign"); c.Status != test.want {
				t.Errorf("%s, every %v: resume-foreign is %s: %s; %v, want %s", name, every, c.Status, c.Actual, c.Evidence, test.want)
			}
			if c := finding(report, "resume"); c.Status != Pass {
				t.Errorf("%s: resume of the first user is %s: %s", name, c.Status, c.Actual)
			}
			text, err := json.Marshal(report)
			if err != nil || strings.Contains(string(text), "of-the-") {
				t.Errorf("%s: %v, a secret is in the report: %s", name, err, text)
			}
		}
	}
	if c := finding(timed(t, times(100*time.Millisecond), nil), "resume-foreign"); c.ID != "" {
		t.Errorf("without another user, resume-foreign is %s: %s", c.Status, c.Actual)
	}
}

// own is the stream of the other user, whose IDs are of their own.
func own(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for n := 1; ; n++ {
		fmt.Fprintf(w, "id: b-%d\ndata: {\"own\":%d}\n\n", n, n)
		http.NewResponseController(w).Flush()
		wait := time.NewTimer(300 * time.Millisecond)
		select {
		case <-wait.C:
		case <-r.Context().Done():
			wait.Stop()
			return
		}
	}
}

// replayOnly gives everybody the past after an ID, and then the stream of the user.
func replayOnly(f *fake, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if asked, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil {
		for n := asked + 1; n <= asked+3; n++ {
			fmt.Fprint(w, f.text(n))
		}
	}
	own(w, r)
}
