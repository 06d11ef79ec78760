package diag

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// viaEnvoy makes a fake the server of an app by way of Envoy, whose route has the
// usual limit for a whole answer unless the limit is 0.
func viaEnvoy(f *fake, limit time.Duration) *fake {
	inner := f.instead
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Server", "envoy")
		if limit > 0 {
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			*r = *r.WithContext(ctx)
		}
		answered := inner != nil && inner(w, r)
		if !answered {
			f.answer(w, r)
		}
		if r.Context().Err() == context.DeadlineExceeded {
			panic(http.ErrAbortHandler)
		}
		return true
	}
	return f
}

// timed runs diag in fake time, and returns the report.
func timed(t *testing.T, f *fake, change func(*run)) (report *Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.serve(t).URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r := run{request, Options{Client: &http.Client{}}}
		if change != nil {
			change(&r)
		}
		inMemory(&r.Options)
		if report, err = Run(t.Context(), r.Request, r.Options); err != nil {
			t.Fatal(err)
		}
	})
	return report
}

// finding returns the result of a check.
func finding(r *Report, id string) Result {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return Result{}
}

// inOrder makes a fake end its streams in order at an age.
func inOrder(f *fake, age time.Duration) *fake {
	f.instead = func(w http.ResponseWriter, r *http.Request) bool {
		ctx, cancel := context.WithTimeout(r.Context(), age)
		defer cancel()
		f.answer(w, r.WithContext(ctx))
		return true
	}
	return f
}

func times(every time.Duration) *fake { return &fake{every: every, first: "retry: 3000\n\n"} }

// TestEnvoyRoute has streams by way of Envoy in a default run: one that its route
// cuts is convicted with the remedies of each product that is built on it, and no
// run takes more than 18 s.
func TestEnvoyRoute(t *testing.T) {
	const usual = 15 * time.Second
	gaveUp := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path != "/events" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		wait := time.NewTimer(usual)
		defer wait.Stop()
		select {
		case <-wait.C:
			w.WriteHeader(http.StatusGatewayTimeout)
			fmt.Fprint(w, "upstream request timeout")
		case <-r.Context().Done():
		}
		return true
	}
	for name, test := range map[string]struct {
		server *fake
		change func(*run)
		want   Status // of lifetime-cut; "" for not in the report
		least  time.Duration
	}{
		"cut":                     {viaEnvoy(times(500*time.Millisecond), usual), nil, Fail, 0},
		"cut, many events":        {viaEnvoy(times(25*time.Millisecond), usual), nil, Fail, 0},
		"cut, few events":         {viaEnvoy(times(4*time.Second), usual), nil, Fail, 0},
		"504":                     {viaEnvoy(&fake{instead: gaveUp}, 0), nil, Fail, 0},
		"no limit":                {viaEnvoy(times(500*time.Millisecond), 0), nil, Pass, 16 * time.Second},
		"ends in order":           {viaEnvoy(inOrder(times(500*time.Millisecond), usual), 0), nil, Pass, usual},
		"something else is wrong": {viaEnvoy(&fake{every: 500 * time.Millisecond, resume: "live"}, usual), nil, "", 0},
		"not to be looked at":     {viaEnvoy(times(500*time.Millisecond), usual), func(r *run) { r.Skip = []string{"lifetime-cut"} }, "", 0},
		"one check of another":    {viaEnvoy(times(500*time.Millisecond), usual), func(r *run) { r.Only = []string{"cors"} }, "", 0},
		"its group":               {viaEnvoy(times(500*time.Millisecond), usual), func(r *run) { r.Only = []string{"buffering"} }, Fail, 0},
		"a quick run":             {viaEnvoy(times(500*time.Millisecond), usual), func(r *run) { r.Quick = true }, "", 0},
		"a short run":             {viaEnvoy(times(500*time.Millisecond), usual), func(r *run) { r.Duration = 5 * time.Second }, "", 0},
		"asked once":              {viaEnvoy(times(500*time.Millisecond), usual), func(r *run) { r.Profile = ProfileOpenAI; r.Skip = []string{"llm"} }, Fail, 0},
	} {
		report := timed(t, test.server, test.change)
		c := finding(report, "lifetime-cut")
		if c.Status != test.want {
			t.Errorf("%s: lifetime-cut is %q (%s; %s), want %q", name, c.Status, c.Actual, c.Seen, test.want)
		}
		if report.Duration > 18*time.Second || report.Duration < test.least {
			t.Errorf("%s: took %v, want %v to 18s", name, report.Duration, test.least)
		}
		if test.want != Fail {
			continue
		}
		if report.Outcome != Fail || !strings.Contains(c.Actual, "Envoy") {
			t.Errorf("%s: %s, outcome %s", name, c.Actual, report.Outcome)
		}
		texts := ""
		for _, r := range c.Remedies {
			texts += r.Text + "\n"
			if !r.Recognized || r.For != "envoy" {
				t.Errorf("%s: the remedy %q is for %s, recognized %t", name, r.Text, r.For, r.Recognized)
			}
		}
		for _, want := range []string{"HTTPRoute", `request: "0s"`, "stream_idle_timeout", "streamIdleTimeout", "VirtualService", "timeoutPolicy"} {
			if !strings.Contains(texts, want) {
				t.Errorf("%s: no remedy names %s: %s", name, want, texts)
			}
		}
		if other := finding(report, "end-clean"); other.Status == Fail || other.Status == Warn {
			t.Errorf("%s: the cut is reported twice: end-clean %s: %s", name, other.Status, other.Actual)
		}
	}
}

// TestEnvoyHTTP2 has a route cut a stream of HTTP/2, which is reset and has no end of
// chunks to lack.
func TestEnvoyHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := viaEnvoy(times(500*time.Millisecond), 15*time.Second)
		f.start = time.Now().Add(-time.Minute)
		server := serveInMemory(t, f, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		options := Options{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}}
		inMemory(&options)
		report, err := Run(t.Context(), request, options)
		if err != nil {
			t.Fatal(err)
		}
		c := finding(report, "lifetime-cut")
		if report.Path.Protocol != "HTTP/2.0" || c.Status != Fail || report.Duration > 18*time.Second {
			t.Errorf("%s, lifetime-cut is %q: %s, after %v", report.Path.Protocol, c.Status, c.Actual, report.Duration)
		}
	})
}

// TestStoppedBeforeLimit stops a run shortly before the limit of a route: it has shown
// nothing of that.
func TestStoppedBeforeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 14500*time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, viaEnvoy(times(500*time.Millisecond), 0).serve(t).URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		options := Options{Client: &http.Client{}}
		inMemory(&options)
		report, err := Run(t.Context(), request, options)
		if err != nil {
			t.Fatal(err)
		}
		if c := finding(report, "lifetime-cut"); c.Status == Pass || report.Error == nil {
			t.Errorf("lifetime-cut is %q: %s", c.Status, c.Actual)
		}
	})
}

// TestOthersAreNoSlower wants a run without Envoy on the path to take no longer than
// its window, and the part of it that one event more may take.
func TestOthersAreNoSlower(t *testing.T) {
	for _, every := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second} {
		report := timed(t, times(every), nil)
		if c := finding(report, "lifetime-cut"); report.Duration > DefaultDuration*4/3 || c.ID != "" {
			t.Errorf("every %v: %v, lifetime-cut %q", every, report.Duration, c.Status)
		}
	}
}
