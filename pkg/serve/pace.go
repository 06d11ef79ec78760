package serve

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A Pace sets when events are due. The zero value is at once.
type Pace struct {
	// Every is the time from one event to the next; the first is due at once.
	Every time.Duration
	// Recorded takes the times and delays of the records instead.
	Recorded bool
	// Speed divides all waits: 2 is twice as fast. Zero means 1.
	Speed float64
	// Jitter makes each wait longer or shorter by up to this share of it.
	Jitter float64
}

// maxGap is a wait that is longer than anybody waits, and does not overflow.
const maxGap = 1 << 62

// ParsePace reads a pace: "instant", an interval ("500ms"), a rate ("100/s"),
// or "recorded".
func ParsePace(text string) (Pace, error) {
	switch text {
	case "", "instant":
		return Pace{}, nil
	case "recorded":
		return Pace{Recorded: true}, nil
	}
	if count, unit, ok := strings.Cut(text, "/"); ok {
		per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
		rate, err := strconv.ParseFloat(count, 64)
		if err == nil && per > 0 && rate > 0 && float64(per)/rate >= 1 && float64(per)/rate < maxGap {
			return Pace{Every: time.Duration(float64(per) / rate)}, nil
		}
	} else if every, err := time.ParseDuration(text); err == nil && every >= 0 {
		return Pace{Every: every}, nil
	}
	return Pace{}, fmt.Errorf(`pace %q: want instant, an interval ("500ms"), a rate ("100/s") or recorded`, text)
}

// Instant reports whether nothing ever waits.
func (p Pace) Instant() bool { return p.Every == 0 && !p.Recorded }

// Gap returns the wait before an event that the recording has at the given
// distance from the one before it.
func (p Pace) Gap(recorded time.Duration) time.Duration {
	gap := float64(p.Every)
	if p.Recorded {
		gap = float64(recorded)
	}
	if p.Speed > 0 {
		gap /= p.Speed
	}
	if p.Jitter > 0 {
		gap *= 1 + p.Jitter*(2*rand.Float64()-1)
	}
	return time.Duration(min(max(gap, 0), maxGap))
}

// longest returns the longest wait that there is, if it is not recorded.
func (p Pace) longest() time.Duration {
	p.Every = time.Duration(float64(p.Every) * (1 + p.Jitter))
	p.Jitter = 0
	return p.Gap(0)
}

// A pacer is the clock of one client. A due time follows from the one before
// it, not from when that event went out, so lateness does not add up.
type pacer struct {
	pace    Pace
	latency time.Duration // added to the arrival of live events
	epoch   time.Time     // of the history, for latency

	due     time.Time     // of the latest event let through, or of the next
	at      time.Duration // its place in the recording
	started bool
	decided bool // due is that of the next event
	timer   *time.Timer
}

// after returns a channel that receives when wait is over.
func (p *pacer) after(wait time.Duration) <-chan time.Time {
	if p.timer == nil {
		p.timer = time.NewTimer(wait)
	} else {
		p.timer.Reset(wait)
	}
	return p.timer.C
}

// begin starts the clock, after an entry that the recording has at the given
// place.
func (p *pacer) begin(now time.Time, at time.Duration) { p.due, p.at = now, at }

// through cuts the batch to the entries that are due. If none is, wait is how long
// the first still has to wait.
func (p *pacer) through(b *batch, now time.Time) (wait time.Duration) {
	for i := b.from; i < b.to; i++ {
		e := &b.entries[i]
		if !p.decided {
			p.decide(e)
		}
		if d := p.due.Sub(now); d > 0 {
			b.cut(i)
			return d
		}
		p.decided = false
	}
	return 0
}

func (p *pacer) decide(e *entry) {
	p.decided = true
	switch {
	case p.latency > 0 && p.pace.Instant():
		p.due = p.epoch.Add(time.Duration(e.arrived)*time.Millisecond + p.latency)
	case p.pace.Recorded:
		p.due = p.due.Add(p.pace.Gap(e.at - p.at))
		p.at = e.at
	case e.flags&entryIsEvent == 0:
		// Comments go out together with the event they precede, or with
		// the last one: they take no time.
	case p.started:
		p.due = p.due.Add(p.pace.Gap(0))
	default:
		p.started = true
	}
}

// idle notes that there was nothing to wait for until now: an event that comes
// later than it was due sets the clock.
func (p *pacer) idle(now time.Time) {
	if earliest := now.Add(-p.pace.Gap(0)); !p.pace.Recorded && p.due.Before(earliest) {
		p.due = earliest
	}
}
