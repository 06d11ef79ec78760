package check

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/stream"
)

var framingChecks = []*Check{
	&frameFieldCheck,
	&frameNewlineLostCheck,
	&frameTerminatorCheck,
	&frameEOLCheck,
	&frameUTF8Check,
	&frameBOMCheck,
	&frameSizeCheck,
	&frameNodataCheck,
	&frameHTMLCheck,
}

var frameFieldCheck = Check{
	ID: "frame-field", Group: "framing", Title: "every line is a field or a comment", Worst: Fail,
	How:   "Lines that are neither. Right after data they are taken for a raw line break in the payload.",
	Why:   "Clients silently drop the rest of the payload.",
	Cite:  "https://github.com/ggml-org/llama.cpp/issues/16109",
	Cures: []Cure{cureOneLine},
	Quick: true, run: checkField,
}

// noBody returns the finding of the framing checks where there is nothing to
// check; the first of them reports it.
func noBody(t *seen.Timeline) (Finding, bool) {
	if len(t.Whole()) == 0 {
		return skip("no complete line arrived"), true
	}
	return Finding{}, false
}

func checkField(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if _, ok := noBody(t); ok {
		return inconclusive("no complete line arrived in %s", seen.RoundDuration(o.Duration))
	}
	unknown, lines := "", 0
	dec := stream.NewDecoder(bytes.NewReader(t.Whole()))
	dec.MaxEventSize = len(t.Plain) + 1
	for block, err := range dec.Blocks() {
		if err != nil || block.Incomplete() {
			break
		}
		before := ""
		for field := range block.Fields() {
			lines++
			name := string(field.Name)
			switch name {
			case "", "data", "event", "id", "retry":
			default:
				line := name
				if before == "data" && strings.ContainsAny(line[:1], "\"}]{[<' \t") {
					return fail("a line that is not a field follows data: a raw line break in a payload, whose rest is lost").
						seen("line %q", httpx.Clip(line, 60))
				}
				if unknown == "" {
					unknown = line
				}
			}
			before = name
		}
	}
	if unknown != "" {
		return warn("a line that clients ignore: %q", httpx.Clip(unknown, 60))
	}
	return pass("all %d lines are fields or comments", lines)
}

var frameNewlineLostCheck = Check{
	ID: "frame-newline-lost", Group: "framing", Title: "JSON payloads are complete", Worst: Fail,
	How:   "If at least 80 % of the payloads that begin with a brace, bracket or quote are JSON, all of them must be. Other text, a ping or a goodbye, and [DONE] are exempt.",
	Why:   "No client can parse a payload that was split in the wrong place.",
	Cite:  "https://github.com/fastapi/fastapi/issues/16055",
	Cures: []Cure{cureOneLine},
	Quick: true, run: checkNewlineLost,
}

func checkNewlineLost(o *seen.Observation) Finding {
	events := o.Main().Timeline().Events
	good, cut, first := 0, 0, ""
	for _, e := range events {
		data := bytes.TrimSpace(e.Data)
		switch {
		case len(data) == 0:
		case json.Valid(data):
			good++
		case bytes.IndexByte([]byte(`{["`), data[0]) < 0:
			// Text in its own right: a ping, a goodbye.
		case string(data) != "[DONE]":
			if cut++; first == "" {
				first = string(data)
			}
		}
	}
	switch {
	case good == 0:
		return skip("the data is not JSON")
	case cut > 0 && good >= 4*cut:
		return fail("%d of %d JSON payloads are broken", cut, good+cut).seen("the first is %q", httpx.Clip(first, 60))
	case cut > 0:
		return info("%d of %d payloads are JSON", good, good+cut)
	}
	return pass("all %d JSON payloads are complete", good)
}

var frameTerminatorCheck = Check{
	ID: "frame-terminator", Group: "framing", Title: "every event ends with a blank line", Worst: Fail,
	How:   "Pending data at the end, and streams without a blank line.",
	Why:   "The last event is never dispatched.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation",
	Cures: []Cure{cureWriteWhole},
	Quick: true, run: checkTerminator,
}

func checkTerminator(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noBody(t); ok {
		return f
	}
	x := o.Main()
	hasData := bytes.HasPrefix(t.Tail, []byte("data")) || bytes.Contains(t.Tail, []byte("\ndata"))
	switch {
	case x.End == seen.EndEOF && hasData:
		return fail("the last event is never dispatched: no blank line after it").seen("%q", httpx.Clip(string(t.Tail), 60))
	case len(t.Events) == 0 && len(t.Plain) > 0 && bytes.Count(t.Plain, []byte("\ndata")) >= 2:
		return fail("no blank line in %d bytes, so no event", len(t.Plain))
	}
	return pass("every event ends with a blank line")
}

var frameEOLCheck = Check{
	ID: "frame-eol", Group: "framing", Title: "lines end with LF", Worst: Warn,
	How:   "LF, CRLF, CR, or mixed.",
	Why:   "Clients that split at two LF find no events, or half of them.",
	Cite:  "https://github.com/PrimeIntellect-ai/prime-agent/issues/1547",
	Cures: []Cure{cureOneLine},
	Quick: true, run: checkEOL,
}

func checkEOL(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noBody(t); ok {
		return f
	}
	text := t.Whole()
	crlf := bytes.Count(text, []byte("\r\n"))
	lf := bytes.Count(text, []byte("\n")) - crlf
	cr := bytes.Count(text, []byte("\r")) - crlf
	switch {
	case cr > 0 && lf+crlf == 0:
		return warn("CR alone: many clients do not support it")
	case cr > 0, lf > 0 && crlf > 0:
		return warn("mixed: %d LF, %d CRLF, %d CR", lf, crlf, cr)
	case crlf > 0:
		return info("CRLF: clients that split at two LF do not find the events")
	}
	return pass("LF")
}

var frameUTF8Check = Check{
	ID: "frame-utf8", Group: "framing", Title: "the stream is UTF-8", Worst: Warn,
	How:   "The stream as a whole, not each read.",
	Why:   "Broken characters become U+FFFD, and JSON with them may still parse.",
	Cite:  "https://github.com/librefang/librefang/issues/3448",
	Cures: []Cure{cureEventStreamType},
	Quick: true, run: checkUTF8,
}

func checkUTF8(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noBody(t); ok {
		return f
	}
	text := t.Whole()
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return warn("not UTF-8 at byte %d: % x", at, text[at:min(len(text), at+4)]).with("offset", at)
		}
		at += size
	}
	return pass("valid")
}

var frameBOMCheck = Check{
	ID: "frame-bom", Group: "framing", Title: "no byte order mark", Worst: Fail,
	How:   "At the start it is legal and risky, later it breaks a field name.",
	Why:   "Many parsers lose the first event.",
	Cite:  "https://github.com/jpopesculian/eventsource-stream/issues/10",
	Cures: []Cure{cureEventStreamType},
	Quick: true, run: checkBOM,
}

func checkBOM(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noBody(t); ok {
		return f
	}
	mark := []byte("\ufeff")
	rest, at := bytes.CutPrefix(t.Plain, mark)
	if bytes.Contains(rest, append([]byte("\n"), mark...)) {
		return fail("a byte order mark at the start of a later line: its field is not recognized")
	}
	if at {
		return info("at the start: valid by the standard, but many clients lose the first event")
	}
	return pass("none")
}

var frameSizeCheck = Check{
	ID: "frame-size", Group: "framing", Title: "lines are not too long", Worst: Warn,
	How:   "The largest line and event. Over 64 KiB warn.",
	Why:   "Go's Scanner stops at 64 KiB, others at 1 MiB; most then reconnect forever.",
	Cite:  "https://github.com/modelcontextprotocol/go-sdk/issues/726",
	Cures: []Cure{cureSplitPayloads},
	Quick: true, run: checkSize,
}

var cureSplitPayloads = Cure{{For: "app", Text: "split large payloads into several events, or document that clients must raise their limit"}}

func checkSize(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if len(t.Plain) == 0 {
		return skip("nothing arrived")
	}
	line := 0
	for l := range bytes.FieldsFuncSeq(t.Plain, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = max(line, len(l))
	}
	var sizes []int
	for _, e := range t.Events {
		sizes = append(sizes, e.Size)
	}
	slices.Sort(sizes)
	largest, p95 := 0, 0
	if n := len(sizes); n > 0 {
		largest, p95 = sizes[n-1], sizes[min(n-1, n*95/100)]
	}
	f := pass("%d events, the largest %s", len(sizes), seen.RoundSize(largest))
	switch {
	case line > 1<<20:
		f = warn("a line of %s: beyond what many clients can read at all", seen.RoundSize(line))
	case line > 64<<10:
		f = warn("a line of %s: more than the 64 KiB that many clients read", seen.RoundSize(line))
	}
	return f.with("line_max", line).with("event_max", largest).with("event_p95", p95)
}

var frameNodataCheck = Check{
	ID: "frame-nodata", Group: "framing", Title: "every event has data", Worst: Warn,
	How:   "Blocks with an event field and no data field.",
	Why:   "They are never dispatched.",
	Cite:  "https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage",
	Cures: []Cure{cureBeat},
	Quick: true, run: checkNoData,
}

func checkNoData(o *seen.Observation) Finding {
	t := o.Main().Timeline()
	if f, ok := noBody(t); ok {
		return f
	}
	events := 0
	for _, name := range t.NoData {
		if name == "event" {
			events++
		}
	}
	if events == 0 {
		return pass("every event has data")
	}
	if bytes.Contains(bytes.ToLower(t.Plain), []byte("event: ping")) || bytes.Contains(bytes.ToLower(t.Plain), []byte("heartbeat")) {
		return info("%d events without data, as heartbeats: clients do not see them", events)
	}
	return warn("%d events without data are never dispatched", events)
}

var frameHTMLCheck = Check{
	ID: "frame-html", Group: "framing", Title: "no HTML page", Worst: Fail,
	How:   "The body starts as an HTML page, whatever its type.",
	Why:   "A login or error page in place of the stream.",
	Cite:  "https://github.com/licson/libSSE-php/issues/38",
	Cures: []Cure{cureEventStreamType},
	Quick: true, AnyAnswer: true, run: checkHTML,
}

func checkHTML(o *seen.Observation) Finding {
	x := o.Main()
	if x.Status == 0 {
		return skip("no answer")
	}
	body := x.Body
	if coding.Of(x.Header) != "" {
		body = x.Timeline().Plain
	}
	if page := pageCame(body); page != "" {
		return fail("%s", page)
	}
	return pass("no HTML page")
}
