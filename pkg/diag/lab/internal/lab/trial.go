package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
)

// A Trial is one set-up with one kind of traffic: the truth, and the findings
// of diag.
type Trial struct {
	Setup   string
	Unseen  bool // the set-up, when the thresholds of diag were chosen
	Traffic Traffic
	Resumes Resume // the right verdict on Last-Event-ID

	Events   int           // that the lab's own listener saw, or should have
	Hold     time.Duration // nine of ten events were held no longer; of many, nineteen of twenty
	Headers  time.Duration // until the headers were there
	HTTP1    time.Duration // the same over HTTP/1.1, where HTTP/2 is spoken
	Header   http.Header   // of the answer to the lab's own listener
	Beatless bool          // comments were due, and none came
	NoBlank  bool          // most events came without their blank line at first

	Found   []string // checks of buffering that failed or warned
	Failed  bool     // one of them failed
	Open    []string // those that were inconclusive
	Resume  string
	Others  []string // other checks that failed or warned
	Remedy  string
	Took    time.Duration
	Stalled bool // the machine did, each time
	Err     error

	Report *diag.Report
}

// Truth is the truth by the publish times.
func (t *Trial) Truth() string {
	switch {
	case t.Headers >= time.Second:
		return "headers held"
	case t.Events == 0:
		return "quiet"
	case t.Hold >= 400*time.Millisecond:
		return "held"
	case t.Hold >= 150*time.Millisecond, t.Headers >= 300*time.Millisecond:
		return "slightly" // other openings may well have waited for 0.4 s
	}
	return "healthy"
}

// Verdict compares diag with the truth.
func (t *Trial) Verdict() string {
	switch truth := t.Truth(); {
	case t.Err != nil && truth == "headers held":
		return "undecided" // nothing answered, as diag reports
	case t.Err != nil:
		return "error"
	case truth == "slightly":
		return "right" // at the limit either is
	case t.NoBlank && slices.Equal(t.Found, []string{"terminator-late"}):
		return "right" // however short
	case t.HTTP1 >= time.Second && slices.Equal(t.Found, []string{"protocol-parity"}):
		return "right"
	case (truth == "held" || truth == "headers held") && t.Failed:
		return "right"
	case (truth == "held" || truth == "headers held") && len(t.Found) > 0:
		return "right, as a warning"
	case (truth == "held" || truth == "headers held") && len(t.Open) > 0:
		return "undecided"
	case truth == "held" || truth == "headers held":
		return "MISS"
	case len(t.Found) > 0 && !t.Beatless:
		return "FALSE ALARM"
	}
	return "right"
}

// ResumeVerdict compares the finding on Last-Event-ID with the truth: "" if
// there was none.
func (t *Trial) ResumeVerdict() string {
	switch {
	case t.Resume == "" || t.Resume == "inconclusive":
		return t.Resume
	case t.Resumes == "":
		return "of no IDs"
	case t.Resume == string(t.Resumes):
		return "right"
	}
	return "WRONG"
}

// timingChecks are those that report a hold.
var timingChecks = []string{"headers-early", "buffer-proxy", "buffer-compression", "buffer-tail", "buffer-timer", "buffer-whole", "terminator-late", "protocol-parity", "connect-ttfb", "connect-parallel"}

// Run tries a set-up with a kind of traffic, up to three times if the machine
// stalls: then neither the truth nor diag is to be believed.
func Run(ctx context.Context, setup Setup, traffic Traffic, duration time.Duration) *Trial {
	var t *Trial
	for range 3 {
		var stall time.Duration
		var watching sync.WaitGroup
		running, done := context.WithCancel(ctx)
		watching.Go(func() { stall = longestStall(running) })
		t = runOnce(ctx, setup, traffic, func(ctx context.Context, t *Trial, p *Publisher, url string) { t.measure(ctx, p, url, duration) })
		done()
		watching.Wait()
		if t.Stalled = stall >= maxStall; !t.Stalled {
			break
		}
	}
	return t
}

// maxStall is a stall that does not yet make a healthy stream look held.
const maxStall = 120 * time.Millisecond

// longestStall is by how much the machine was ever late to wake a sleeper.
func longestStall(ctx context.Context) (longest time.Duration) {
	const nap = 20 * time.Millisecond
	ticker := time.NewTicker(nap)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return longest
		case now := <-ticker.C:
			longest = max(longest, time.Since(last)-nap)
			last = now
		}
	}
}

// Listen measures a set-up without diag. The times are those of a machine that may
// have stalled.
func Listen(ctx context.Context, setup Setup, traffic Traffic, duration time.Duration) *Trial {
	return runOnce(ctx, setup, traffic, func(ctx context.Context, t *Trial, p *Publisher, url string) {
		listening, stop := context.WithTimeout(ctx, duration)
		defer stop()
		o := &oracle{publisher: p, arrived: map[int]time.Time{}}
		o.listen(listening, url)
		t.Events, t.Hold, t.Headers = o.result()
		t.Header = o.header
	})
}

func runOnce(ctx context.Context, setup Setup, traffic Traffic, measure func(context.Context, *Trial, *Publisher, string)) *Trial {
	t := &Trial{Setup: setup.Name, Unseen: setup.Unseen, Traffic: traffic, Resumes: setup.resumes(traffic)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "ssectl-lab-")
	if err != nil {
		t.Err = err
		return t
	}
	defer os.RemoveAll(dir)

	publisher := NewPublisher()
	publisher.Traffic, publisher.Fault, publisher.Resume, publisher.Clock = traffic, setup.Fault, setup.Resume, setup.Clock
	publisher.Prelude = setup.Prelude
	for name, values := range setup.Header {
		publisher.Header[name] = values
	}
	var publishing sync.WaitGroup
	publishing.Go(func() { publisher.Publish(ctx) })
	defer func() { cancel(); publishing.Wait() }()
	upstream := httptest.NewServer(publisher)
	defer upstream.Close()
	defer upstream.CloseClientConnections()
	url, wait, err := setup.Start(ctx, strings.TrimPrefix(upstream.URL, "http://"), dir)
	defer func() { cancel(); wait() }()
	if err != nil {
		t.Err = err
		return t
	}
	measure(ctx, t, publisher, url)
	return t
}

// measure listens and diagnoses at the same time.
func (t *Trial) measure(ctx context.Context, publisher *Publisher, url string, duration time.Duration) {
	var own sync.WaitGroup
	listening, stop := context.WithCancel(ctx)
	o := &oracle{publisher: publisher, arrived: map[int]time.Time{}}
	own.Go(func() { o.listen(listening, url) })
	own.Go(func() { o.knock(listening, url) })
	if strings.HasPrefix(url, "https:") {
		own.Go(func() { o.older(listening, url) })
	}

	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	report, err := diag.Run(ctx, request, diag.Options{Client: &http.Client{Transport: transport(true)}, Duration: duration})
	if err != nil {
		t.Err = err
		stop()
		own.Wait()
		return
	}
	t.Report = report
	t.Took = t.Report.Duration
	stop()
	own.Wait()
	t.Events, t.Hold, t.Headers = o.result()
	t.Header = o.header
	t.NoBlank, t.HTTP1, t.Beatless = 2*o.noBlank > o.reads, o.http1, o.beatless()
	if t.Report.Error != nil {
		t.Err = fmt.Errorf("%s: %s", t.Report.Error.Phase, t.Report.Error.Message)
	}
	for _, c := range t.Report.Checks {
		bad := c.Status == diag.Fail || c.Status == diag.Warn
		switch {
		case bad && slices.Contains(timingChecks, c.ID):
			t.Found = append(t.Found, c.ID)
			t.Failed = t.Failed || c.Status == diag.Fail
			if t.Remedy == "" && len(c.Remedies) > 0 {
				t.Remedy = c.Remedies[0].For + ": " + c.Remedies[0].Text
			}
		case c.Status == diag.Inconclusive && slices.Contains(timingChecks, c.ID):
			t.Open = append(t.Open, c.ID)
		case c.ID == "resume":
			t.Resume, _ = c.Evidence["verdict"].(string)
		case bad:
			t.Others = append(t.Others, c.ID)
		}
	}
}
