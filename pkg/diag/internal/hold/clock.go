package hold

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Clock asks how late events are by the times that they carry. Other connections
// may contradict those, because not every time is that of publishing: events come
// one by one, the same on each connection, but with times that vary.
var Clock = &Method{
	Name:     "clock",
	Doc:      "arrivals that follow the timestamps in the events by different times",
	Requires: []*Method{Shift, Second, First},
	estimate: func(v *View, required ...Estimate) Estimate {
		shift, second, first := required[0], required[1], required[2]
		c := v.clock()
		est := testClock(v.Observation, c)
		switch {
		case shift.Doubt != "":
			return Estimate{}
		case c == nil || c.slot == stampSlot || est.Verdict <= Clean:
			return est
		case second.Verdict == Clean && shift.Verdict <= Clean && first.Verdict <= Clean && 5*v.All().Several <= v.All().Arrivals:
			return Estimate{Doubt: est.Seen}
		}
		return est
	},
}

// Punctual asks whether the times show that no event waits for the next one.
var Punctual = &Method{
	Name:     "punctual",
	Doc:      "arrivals that follow irregular timestamps, or stamps of the same clock, at once",
	Requires: []*Method{Clock},
	estimate: func(v *View, required ...Estimate) Estimate {
		est, c := required[0], v.clock()
		if c.irregular() || est.Verdict == Clean && c.slot == stampSlot && c.onTime() {
			return est
		}
		return Estimate{}
	},
}

// A clock is a time that the server writes into every event: a slot by name,
// and its values.
type clock struct {
	slot       string
	stamps     []time.Duration // since the start of the observation, by the server's clock
	at         []time.Duration // when the event arrived
	resolution time.Duration
}

// findClock looks for a slot that every event has, but for a goodbye, that never
// goes back, and that is within a day of now.
func findClock(o *seen.Observation, t *seen.Timeline) *clock {
	if len(t.Events) < 5 {
		return nil
	}
	slots := map[string][]float64{} // in seconds since 1970
	for i := range t.Events {
		for slot, seconds := range stampsOf(&t.Events[i]) {
			if math.Abs(seconds-float64(o.Time.Unix())) < 86400 && len(slots[slot]) == i {
				slots[slot] = append(slots[slot], seconds)
			}
		}
	}
	var best *clock
	for slot, values := range slots {
		if len(values) < len(t.Events)-1 || !slices.IsSorted(values) || values[0] == values[len(values)-1] {
			continue
		}
		c := newClock(o, t, slot, values)
		if slot == stampSlot {
			return c
		}
		if best == nil || c.resolution < best.resolution || c.resolution == best.resolution && c.slot < best.slot {
			best = c
		}
	}
	return best
}

func newClock(o *seen.Observation, t *seen.Timeline, slot string, values []float64) *clock {
	c := &clock{slot: slot}
	whole := true
	zero := float64(o.Time.UnixNano()) / 1e9
	for i, v := range values {
		whole = whole && v == math.Trunc(v)
		c.stamps = append(c.stamps, time.Duration((v-zero)*1e9))
		c.at = append(c.at, t.Events[i].At)
	}
	if whole {
		c.resolution = time.Second
	}
	c.dropPast(t)
	return c
}

// dropPast leaves out events from before the connection: their delay means
// nothing. The clocks need not agree: the least lag is their difference.
func (c *clock) dropPast(t *seen.Timeline) {
	offset := slices.Min(c.lags())
	from := 0
	for from < len(c.stamps) && c.stamps[from]+offset < t.Start-c.resolution {
		from++
	}
	c.stamps, c.at = c.stamps[from:], c.at[from:]
}

func (c *clock) lags() []time.Duration {
	lags := make([]time.Duration, len(c.at))
	for i := range lags {
		lags[i] = c.at[i] - c.stamps[i]
	}
	return lags
}

// testClock measures how much later than the quickest event the others come. It
// is blind to a hold that is always the same.
func testClock(o *seen.Observation, c *clock) Estimate {
	est := Estimate{}
	if c == nil || len(c.at) < 6 {
		return est
	}
	lags := c.lags()
	least := slices.Min(lags)
	var excess []time.Duration
	for i, lag := range lags {
		if !o.Stalled(c.at[i]-time.Second, c.at[i]) {
			excess = append(excess, lag-least)
		}
	}
	p90 := seen.Percentile(excess, 0.9)
	if len(excess) < 6 || p90 > seen.Noticeable && drifts(excess, p90) {
		return est
	}
	est.Numbers = map[string]any{"excess_p90_ms": seen.Milliseconds(p90), "clock": c.slot}
	switch {
	case p90 > Harmful+c.resolution:
		est.Verdict, est.Hold = Held, p90
	case p90 > seen.Noticeable+c.resolution:
		est.Verdict, est.Hold = Slight, p90
	case c.resolution == 0 && c.stamps[len(c.stamps)-1]-c.stamps[0] > time.Second:
		est.Verdict = Clean
		est.Seen = fmt.Sprintf("arrival follows the time in %s by less than %s", c.slot, seen.RoundDuration(max(p90, time.Millisecond)))
		return est
	}
	if est.Verdict != Undecided {
		est.Seen = fmt.Sprintf("against the time in %s, one in ten events is late by %s or more", c.slot, seen.RoundDuration(p90))
	}
	return est
}

// irregular reports whether the events were made at gaps so different that they
// would be late by different times if each waited for the next one. Of events
// made like clockwork, lags alone are no proof.
func (c *clock) irregular() bool {
	if c == nil || len(c.stamps) < 4 {
		return false
	}
	var gaps []time.Duration
	for i := 1; i < len(c.stamps); i++ {
		gaps = append(gaps, c.stamps[i]-c.stamps[i-1])
	}
	return seen.Percentile(gaps, 0.8)-seen.Percentile(gaps, 0.2) > 2*seen.Noticeable
}

// onTime reports whether the events came at the very times that they carry, by
// clocks that must agree then: if it is that of publishing, none was held, not
// even all for the same time.
func (c *clock) onTime() bool {
	lags := c.lags()
	return slices.Min(lags) > -clockStep && seen.Percentile(lags, 0.9) < seen.Noticeable
}

// clockStep is by how much an event may seem to come before its time, as clocks
// are set and times are cut off.
const clockStep = 20 * time.Millisecond

// drifts reports whether the lag grows all the time. Then the stream is one
// that was recorded, replayed slower than it was made: after a buffer the lag
// comes back to its least value again and again.
func drifts(excess []time.Duration, p90 time.Duration) bool {
	third := len(excess) / 3
	return 3*slices.Min(excess[len(excess)-third:]) > p90 || 3*slices.Min(excess[:third]) > p90
}

// stampSlot is the name of the stamps that serve writes, which is the time of
// publishing for certain.
const stampSlot = "the stamp"

// maxClockData is how large an event may be to be searched for a time.
const maxClockData = 64 << 10

// stampsOf returns all that may be a time in an event, by where it stands.
func stampsOf(e *seen.Event) map[string]float64 {
	found := map[string]float64{}
	note := func(slot string, seconds float64, ok bool) {
		if ok {
			found[slot] = seconds
		}
	}
	note(stampSlot, e.Stamp, e.Stamp > 0)
	if e.ID != "" {
		seconds, ok := stampOfID(e.ID)
		note("the id", seconds, ok)
	}
	if len(e.Data) <= maxClockData {
		var value any
		if err := json.Unmarshal(e.Data, &value); err != nil {
			value = string(e.Data)
		}
		stampsIn("data", value, 0, note)
	}
	return found
}

// stampsIn looks into a JSON value, three levels deep.
func stampsIn(slot string, value any, depth int, note func(string, float64, bool)) {
	switch v := value.(type) {
	case float64:
		seconds, ok := unixTime(v)
		note(slot, seconds, ok)
	case string:
		seconds, ok := textTime(v)
		note(slot, seconds, ok)
	case map[string]any:
		if depth < 3 {
			for key, member := range v {
				stampsIn(slot+"."+key, member, depth+1, note)
			}
		}
	}
}

// unixTime takes a number for a time in s, ms, µs or ns, by its size.
func unixTime(v float64) (float64, bool) {
	for _, unit := range []float64{1, 1e3, 1e6, 1e9} {
		if s := v / unit; s > 1e9 && s < 1e10 {
			return s, true
		}
	}
	return 0, false
}

func textTime(s string) (float64, bool) {
	if len(s) > 40 {
		return 0, false
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return float64(t.UnixNano()) / 1e9, true
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return unixTime(v)
	}
	return 0, false
}

// stampOfID finds the time in the kinds of IDs that have one.
func stampOfID(id string) (float64, bool) {
	if s, ok := textTime(id); ok {
		return s, true
	}
	if ms, _, ok := strings.Cut(id, "-"); ok && len(ms) == 13 { // Redis
		if s, ok := textTime(ms); ok {
			return s, true
		}
	}
	hex := strings.ReplaceAll(strings.TrimPrefix(id, "urn:uuid:"), "-", "")
	if len(hex) == 32 && hex[12] == '7' { // UUID version 7
		if ms, err := strconv.ParseUint(hex[:12], 16, 64); err == nil {
			return float64(ms) / 1e3, true
		}
	}
	if len(id) == 26 { // ULID
		ms := 0.0
		for _, c := range strings.ToUpper(id[:10]) {
			digit := strings.IndexRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c)
			if digit < 0 {
				return 0, false
			}
			ms = ms*32 + float64(digit)
		}
		return ms / 1e3, true
	}
	if n, err := strconv.ParseUint(id, 10, 64); err == nil && len(id) >= 18 { // snowflake
		return float64(n>>22+1288834974657) / 1e3, true
	}
	return 0, false
}
