package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var idControlCheck = Check{
	ID: "id-control", Group: "resume", Title: "heartbeats leave the position alone", Worst: Fail,
	How:   "IDs of heartbeat and control events, beside those of at least three others: an empty one, one that stands for several places, and a number that does not rise with the others fail. One of another form warns.",
	Why:   "A client sends back the last ID that it got, whatever the event. After a heartbeat with an ID of its own it loses its place, and with it events, or gets all again.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#concept-event-stream-last-event-id",
	Cures: []Cure{cureBeatWithoutID},
	run:   checkIDControl,
}

var cureBeatWithoutID = Cure{{For: "app", Text: `no id field in heartbeats and control events, best ": hb\n\n" in their place, or the ID of the event before`}}

// beats are the words for heartbeats.
var beats = []string{"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive", "hb"}

// isBeat reports whether an event is a heartbeat by its type, or where it has none by
// its data: the word, or an object whose type is the word.
func isBeat(e *seen.Event) bool {
	word := e.Type
	if word == "message" || word == "" {
		const most = 200 // bytes of a heartbeat
		if len(e.Data) > most {
			return false
		}
		word = strings.Trim(string(e.Data), `" `)
		var object struct{ Type string }
		if strings.HasPrefix(word, "{") && json.Unmarshal(e.Data, &object) == nil {
			word = object.Type
		}
	}
	return slices.Contains(beats, strings.ToLower(word))
}

// isControl reports whether an event carries nothing of the application: it is a
// heartbeat, or one of the protocol.
func isControl(e *seen.Event) bool {
	word := strings.ToLower(e.Type)
	return isBeat(e) || word == "control" || word == "noop"
}

// A misplaced ID is that of a control event, which does not name a place in the
// sequence of the others.
type misplaced struct {
	event *seen.Event
	after string // the ID that it overwrites
	why   string // "" for an ID whose form alone is another
	older bool   // it names an older event, so that nothing is lost
}

// misplacedIDs returns the IDs of control events that overwrite the position.
func misplacedIDs(t *seen.Timeline) []misplaced {
	var content []*seen.Event
	for i := range t.Events {
		if e := &t.Events[i]; e.ID != "" && !isControl(e) {
			content = append(content, e)
		}
	}
	if len(content) < 3 {
		return nil // too few to know their sequence
	}
	form, oneForm := formOf(content[0].ID), true
	for _, e := range content {
		oneForm = oneForm && formOf(e.ID) == form
	}
	numbers, rising := numbersOf(content)

	var list []misplaced
	place := map[string]string{} // by the ID of a control event: the ID of the content before it
	before, n := "", 0           // the content so far: the last ID, and how many
	known := map[string]bool{}   // its IDs
	for i := range t.Events {
		e := &t.Events[i]
		switch {
		case !isControl(e):
			if e.ID != "" {
				before = e.ID
				known[e.ID] = true
				n++
			}
			continue
		case !e.HasID || n == 0 || e.ID == before:
			continue // without an ID, or with one that leaves the position as it is
		}
		m := misplaced{event: e, after: before}
		other, again := place[e.ID]
		place[e.ID] = before
		number, err := strconv.ParseInt(e.ID, 10, 64)
		switch {
		case e.ID == "":
			m.why = "an empty ID, which makes a client forget its place"
		case known[e.ID]:
			m.older = true
		case again && other != before:
			m.why = "it comes again later, with other events in between"
		case rising && err == nil && number < numbers[n-1]:
			m.why = "it is lower"
		case rising && err == nil && n < len(numbers) && number >= numbers[n]:
			m.why = "it is not below that of the next event, " + content[n].ID
		case rising && err == nil, !oneForm, formOf(e.ID) == form:
			continue // it may have a place of its own in the sequence
		}
		list = append(list, m)
	}
	return list
}

// numbersOf returns the IDs of events as numbers, if they are numbers that rise.
func numbersOf(events []*seen.Event) (numbers []int64, rising bool) {
	for i, e := range events {
		n, err := strconv.ParseInt(e.ID, 10, 64)
		if err != nil || i > 0 && n <= numbers[i-1] {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, true
}

// formOf is an ID with 0 in place of each number, so that the IDs of a sequence
// look alike.
func formOf(id string) string {
	var form strings.Builder
	digits := false
	for _, r := range id {
		if digit := r >= '0' && r <= '9'; !digit || !digits {
			if digits = digit; digit {
				r = '0'
			}
			form.WriteRune(r)
		}
	}
	return form.String()
}

func checkIDControl(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noIDs(t); ok {
		return f
	}
	all, with := 0, 0
	for i := range t.Events {
		if e := &t.Events[i]; isControl(e) {
			all++
			if e.HasID {
				with++
			}
		}
	}
	list := misplacedIDs(t)
	if len(list) == 0 {
		switch {
		case all == 0:
			return pass("no event is a heartbeat or of the protocol")
		case with == 0:
			return pass("none of %d heartbeats and control events has an ID", all)
		}
		return pass("the IDs of %d heartbeats and control events fit in with the others", with)
	}
	worst := list[0]
	for _, m := range list {
		if (worst.why == "" || worst.older) && m.why != "" && !m.older {
			worst = m
		}
	}
	where := fmt.Sprintf("ID %s after %s", quoted(worst.event.ID), quoted(worst.after))
	f := warn("the ID of a %s event is of another form than the others", shownType(worst.event)).seen("%s", where)
	switch {
	case worst.older:
		f = warn("the ID of a %s event is that of an older one: events come again after it", shownType(worst.event)).seen("%s", where)
	case worst.why != "":
		f = fail("the ID of a %s event overwrites the position: a client that comes back after it loses events, or gets them again", shownType(worst.event)).seen("%s: %s", where, worst.why)
	}
	return f.with("events", all).with("overwrite", len(list))
}

func quoted(id string) string { return strconv.Quote(httpx.Clip(id, 40)) }

func shownType(e *seen.Event) string {
	if e.Type == "" || e.Type == "message" {
		return quoted(string(e.Data[:min(len(e.Data), 20)]))
	}
	return quoted(e.Type)
}
