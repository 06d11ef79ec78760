// Package drift compares the answer that a service gives now with one that was recorded
// or written by hand, as far as a client depends on it. Values are not compared, nor how
// much there is of them: a model never repeats itself. The shape is: the status, the
// content type, the fields of JSON and their types; of a stream the types of its events,
// the fields of their data, the order in which the types come, and the end.
//
// [Read] and [New] make an [Answer], [Compare] compares two.
package drift

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Finding is a difference of the answer that is given now.
type Finding struct {
	Place    string `json:"place"` // as jq writes it, after the type of the event in a stream
	Recorded string `json:"recorded"`
	Now      string `json:"now"`

	// Drift means that a client may fail over it. New fields, and values that are
	// null or absent at times, are for people to look at.
	Drift bool `json:"drift"`

	// Hint is for a drift that may be none.
	Hint string `json:"hint,omitempty"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s is %s, recorded %s", f.Place, f.Now, f.Recorded)
}

const absent = "absent"

type comparison struct {
	findings []Finding
	prefix   string
}

func (c *comparison) add(f Finding) {
	f.Place = c.prefix + f.Place
	c.findings = append(c.findings, f)
}

// Compare returns the differences of the answer that is given now from the recorded one.
func Compare(recorded, now *Answer) []Finding {
	c := &comparison{}
	if recorded.Status != now.Status {
		c.add(Finding{Place: "status", Recorded: fmt.Sprint(recorded.Status), Now: fmt.Sprint(now.Status), Drift: true})
	}
	other := recorded.Status/100 != now.Status/100 // an answer that is another one altogether
	if !other && recorded.Type != now.Type {
		c.add(Finding{Place: "header Content-Type", Recorded: orAbsent(recorded.Type), Now: orAbsent(now.Type), Drift: true})
	}
	switch {
	case other:
	case recorded.form != now.form:
		c.add(Finding{Place: "body", Recorded: string(recorded.form), Now: string(now.form), Drift: true})
	case recorded.form == formJSON:
		c.compare("", recorded.json, now.json)
	case recorded.form == formStream || recorded.form == formLines:
		c.compareEvents(recorded, now)
	}
	if recorded.Cut == "" && now.Cut != "" {
		c.add(Finding{Place: "end", Recorded: "in order", Now: now.Cut, Drift: true})
	}
	return c.findings
}

func orAbsent(text string) string {
	if text == "" {
		return absent
	}
	return text
}

// isUpkeep reports whether events of a type come by the clock, and so at any place, or
// not at all.
func isUpkeep(name string) bool {
	return slices.Contains([]string{"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"}, strings.ToLower(name))
}

// compareEvents compares two streams by the types of their events.
func (c *comparison) compareEvents(recorded, now *Answer) {
	for _, t := range recorded.types {
		is := now.of(t.name)
		if is == nil {
			f := Finding{Place: "event " + t.name, Recorded: "there", Now: absent, Drift: !isUpkeep(t.name)}
			if f.Drift && t.name != recorded.last() && t.name != recorded.types[0].name {
				f.Hint = "a model may choose not to send it: ask again before it counts as gone"
			}
			c.add(f)
			continue
		}
		c.prefix = "event " + t.name + " "
		c.compare("", &t.data, &is.data)
		if was := t.ids == t.count; was && is.ids == 0 {
			c.add(Finding{Place: "id", Recorded: "there", Now: absent, Drift: true})
		}
		c.prefix = ""
	}
	for _, t := range now.types {
		if recorded.of(t.name) == nil {
			c.add(Finding{Place: "event " + t.name, Recorded: absent, Now: "there", Drift: !isUpkeep(t.name) && recorded.Cut == ""})
		}
	}
	c.compareOrder(recorded, now)
	if last, was := now.last(), recorded.last(); recorded.Cut == "" && now.Cut == "" && last != was && now.of(was) != nil && recorded.of(last) != nil && !alternate(recorded.of(last), recorded.of(was)) {
		c.add(Finding{Place: "last event", Recorded: orAbsent(was), Now: orAbsent(last), Drift: true})
	}
}

// compareOrder compares the order in which the types come first.
func (c *comparison) compareOrder(recorded, now *Answer) {
	for i, a := range recorded.types {
		for _, b := range recorded.types[i+1:] {
			x, y := now.of(a.name), now.of(b.name)
			if x == nil || y == nil || x.first < y.first || isUpkeep(a.name) || isUpkeep(b.name) || alternate(a, b) {
				continue
			}
			c.add(Finding{Place: "order", Recorded: a.name + " before " + b.name, Now: b.name + " before " + a.name, Drift: true})
			return // others follow from it
		}
	}
}

// alternate reports whether events of two types come in turns, so that either may be the
// first and the last of them. The start of a part and the rest of it come in turns where there
// are several parts, and in this order all the same.
func alternate(a, b *eventType) bool {
	return a.first < b.last && b.first < a.last && !isStart(a.name, b.name) && !isStart(b.name, a.name)
}

// isStart reports whether one type is the start of the parts that another belongs to, as
// content_block_start is of content_block_delta.
func isStart(name, other string) bool {
	words, others := wordsOf(name), wordsOf(other)
	n := len(words) - 1
	return n > 0 && slices.Contains([]string{"start", "started", "begin", "added", "created"}, words[n]) &&
		len(others) > n && slices.Equal(words[:n], others[:n])
}

func wordsOf(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
