package diag

import (
	"fmt"
)

var bufferingChecks = []*Check{
	&headersEarlyCheck,
	&firstByteCheck,
	&bufferProxyCheck,
	&bufferCompressionCheck,
	&bufferTailCheck,
	&bufferTimerCheck,
	&bufferWholeCheck,
	&terminatorLateCheck,
	&protocolParityCheck,
	&heartbeatCheck,
	&heartbeatKindCheck,
	&idleCutCheck,
	&lifetimeCutCheck,
	&endCleanCheck,
}

var bufferProxyCheck = Check{
	ID: "buffer-proxy", Group: "buffering", Title: "no buffer holds events", Worst: Fail,
	How:    "Where in an event the stream stands when it pauses (A), a second connection (D), a time in the events (C), the sizes of the pieces (S), which tell of how many bytes a buffer is, heartbeats in groups (B), what new connections get late and in one piece (O). From 0.15 s warn, from 0.4 s fail. A fault is looked for on a second connection before it is told.",
	Why:    "Events come late and in lumps, and with little traffic not at all.",
	Cite:   "https://github.com/nginx/nginx/issues/1505",
	Cures:  []Cure{cureStopBuffer},
	Timing: true,
	run:    checkBufferProxy,
}

var curePassOpening = Cure{
	{For: "app", Text: "what waits for the first bytes of a stream (a scanner, a minimum length of compression) has to leave text/event-stream alone"},
}

func checkBufferProxy(o *Observation) Finding {
	t := timingOf(o)
	op, f, other := blamed(o, bySize)
	if other {
		return f
	}
	if op.verdict > clean {
		f := heldFinding(op, "events are held for about %s", roundDuration(op.hold))
		if op.method == "O" {
			f.Title = fmt.Sprintf("the start of each stream is held for about %s", roundDuration(op.hold))
			f = f.cure(curePassOpening, cureStopBuffer)
		}
		size := median(t.all.batches)
		if op.method != "A" {
			size = bufferSize(t.main)
		}
		if size > 0 && op.method != "S" && op.method != "O" {
			f.Title += fmt.Sprintf(" and let go in pieces of about %d bytes", size)
			f = f.with("batch_bytes", size)
		}
		return attribute(o, f)
	}
	if f, ok := expected(o, t.main); ok {
		return f
	}
	if f, ok := quiet(o, t.main); ok {
		return f
	}
	if t.doubt != "" && t.hop.verdict != clean {
		return inconclusive("only a time in the events speaks of a hold, which may not be that of publishing; serve --stamp or --origin decides").seen("%s", t.doubt)
	}
	if op, ok := firstClean(t.hop, t.pauses, t.flow, t.clock, t.twin, t.heartbeats); ok {
		f := pass("%s", op.seen).with("method", op.method)
		if op.method == "D" {
			// What is held for all alike would look the same.
			f.Title = "no connection has a buffer of its own: " + op.seen
		}
		return f
	}
	if t.main.ended {
		return inconclusive("the stream ended too soon to tell a burst from a buffer (%d events in %s)", len(t.main.events), roundDuration(t.main.endedAt-t.main.start))
	}
	return inconclusive("too few pauses to tell a burst from a buffer (%d events in %s); a longer --duration decides", len(t.main.events), roundDuration(o.Duration))
}

var bufferCompressionCheck = Check{
	ID: "buffer-compression", Group: "buffering", Title: "compression is flushed", Worst: Fail,
	How:    "The stream as a browser asks for it against the plain one (E), each prefix of it decoded.",
	Why:    "A compressor that waits for more input holds every event; who tests with curl does not see it.",
	Cite:   "https://github.com/expressjs/compression/issues/61",
	Cures:  []Cure{cureFlushCompressor},
	Timing: true,
	run:    checkBufferCompression,
}

func checkBufferCompression(o *Observation) Finding {
	t := timingOf(o)
	if t.a.encoded == "" {
		return skip("the stream is not compressed")
	}
	if t.a.decodeErr != nil {
		return fail("cannot decode the %s stream: %v", t.a.encoded, t.a.decodeErr)
	}
	op, f, other := blamed(o, byCompression)
	if other {
		return f
	}
	if op.verdict > clean {
		return attribute(o, heldFinding(op, "%s holds events for about %s", t.a.encoded, roundDuration(op.hold)))
	}
	switch {
	case t.encoding.verdict == clean:
		return pass("%s", t.encoding.seen)
	case len(t.a.plain) == 0:
		if t.main.encoded != "" {
			return inconclusive("%s on each connection, and nothing in it could be read in %s: a quiet stream, or one that is never flushed; --expect-every decides", t.a.encoded, roundDuration(o.Duration))
		}
		return inconclusive("%s, and nothing in it could be read in %s; the plain stream was as quiet", t.a.encoded, roundDuration(o.Duration))
	}
	if all := testPauses(o, t.a, false); all.mid == 0 && all.aligned >= 3 && 3*all.several <= all.arrivals {
		return pass("%s, and all %d pauses are between events", t.a.encoded, all.aligned)
	}
	return inconclusive("%s, and too little to compare with the plain stream", t.a.encoded)
}

var bufferTailCheck = Check{
	ID: "buffer-tail", Group: "buffering", Title: "the end of an event does not wait", Worst: Fail,
	How:    "Pauses within or right behind large events (A), arrivals that fit the time of the next event (C1), new connections that miss the event an open one gets next (F), events that come back with an ID before they come to open streams (L).",
	Why:    "The last bytes of an event, or all of it, come with the next one: a burst passes every test, the last event of it stalls.",
	Cite:   "https://github.com/aspnet/AspNetCoreModule/issues/16",
	Cures:  []Cure{cureStopNginx},
	Timing: true,
	run:    checkBufferTail,
}

var cureWriteAtOnce = Cure{
	{For: "app", Text: "write and flush an event when it is made, not when the next one is"},
	{For: "nginx", Text: nginxText},
	{For: "haproxy", Text: "take text/event-stream out of compression type"},
}

func checkBufferTail(o *Observation) Finding {
	t := timingOf(o)
	op, f, other := blamed(o, byTail)
	if other {
		return f
	}
	if op.verdict > clean {
		f := heldFinding(op, "the end of an event waits for the next one, here for about %s", roundDuration(op.hold))
		switch op.method {
		case "F", "C1":
			f.Title = fmt.Sprintf("every event waits for the next one, here for about %s", roundDuration(op.hold))
			if op.method == "F" {
				f.Title = fmt.Sprintf("every event waits for the next one, here for about %s, or new connections join as late", roundDuration(op.hold))
			}
			f = f.cure(cureWriteAtOnce)
		case "L":
			f.Title = fmt.Sprintf("open streams are given events late, by about %s", roundDuration(op.hold))
			f = f.cure(cureWriteAtOnce)
		}
		return attribute(o, f)
	}
	if _, ok := quiet(o, t.main); ok {
		return skipFor("buffer-proxy")
	}
	largest := 0
	for _, e := range t.main.events {
		largest = max(largest, e.size)
	}
	if op, ok := firstClean(t.punctual, t.flow, t.first, t.hop); ok {
		return pass("no event waited for the next one (largest %s)", roundSize(largest)).seen("%s", op.seen).with("method", op.method)
	}
	if op, ok := firstClean(t.tails, t.pauses); ok || t.all.mid == 0 && t.all.aligned > 0 {
		// Whether whole events wait is another question, and nothing answered it.
		return inconclusive("no event was cut by a pause (largest %s), but a whole one may wait for the next; serve --stamp or --origin decides", roundSize(largest)).with("method", op.method)
	}
	return inconclusive("too few pauses to judge (%d inside an event, %d between)", t.all.mid, t.all.aligned)
}

var bufferTimerCheck = Check{
	ID: "buffer-timer", Group: "buffering", Title: "events are not let go by the clock", Worst: Fail,
	How:    "Batches at a fixed period whose phase differs between connections (D), or without any comparison (P, which only warns).",
	Why:    "Every event is late by half the period.",
	Cite:   "https://github.com/caddyserver/caddy/issues/1972",
	Cures:  []Cure{cureFlushNoTimer},
	Timing: true,
	run:    checkBufferTimer,
}

var cureFlushNoTimer = Cure{
	{For: "app", Text: "flush after each event, not by a timer"},
	{For: "apache", Text: "ProxySet flushpackets=on for mod_proxy_fcgi"},
	{For: "caddy", Text: "flush_interval -1"},
	{For: "haproxy", Text: "option http-no-delay"},
	{For: "nginx", Text: nginxText},
}

func checkBufferTimer(o *Observation) Finding {
	t := timingOf(o)
	op, f, other := blamed(o, byTimer)
	if other {
		return f
	}
	if op.verdict > clean {
		every, regular := beat(t.main)
		f := heldFinding(op, "events come late, by up to %s", roundDuration(op.hold))
		if regular && !t.mostlySingle() {
			f.Title = fmt.Sprintf("events come in batches, one every %s", roundDuration(every))
			f = f.with("period_ms", milliseconds(every))
			if every >= holdFail && op.method != "P" {
				f.Status = Fail // whatever the phases of two connections happened to be
			}
		}
		return attribute(o, f)
	}
	if _, ok := quiet(o, t.main); ok {
		return skipFor("buffer-proxy")
	}
	if op, ok := firstClean(t.twin, t.hop, t.clock, t.flow); ok {
		return pass("%s", op.seen).with("method", op.method)
	}
	if t.pauses.verdict == clean {
		return pass("events come one by one (%d of %d arrivals)", t.all.aligned, len(t.main.arrivals))
	}
	if t.main.ended {
		return inconclusive("the stream ended too soon to judge")
	}
	return inconclusive("events come in groups, and nothing tells whether the server makes them so; serve --stamp or --origin decides")
}

var bufferWholeCheck = Check{
	ID: "buffer-whole", Group: "buffering", Title: "the answer is not held to its end", Worst: Fail,
	How:       "All of at least ten events within a twentieth of the wait for them (W), or nothing at all.",
	Why:       "What should be a stream is a download.",
	Cite:      "https://github.com/cloudflare/cloudflared/issues/1496",
	Cures:     []Cure{cureStreamWhole},
	Timing:    true,
	AnyAnswer: true,
	run:       checkBufferWhole,
}

func checkBufferWhole(o *Observation) Finding {
	x := o.a()
	if noStream(x) {
		return skip("no event stream to look at")
	}
	if x.Answered == 0 {
		return skipFor("headers-early")
	}
	t := timingOf(o)
	op, f, other := blamed(o, byWhole)
	if other {
		return f
	}
	if op.verdict > clean {
		f := heldFinding(op, "the whole answer came at once, after %s", roundDuration(op.hold))
		if dialectOf(o) == "" {
			f.Status = Warn // it may be a job that has nothing to say until it is done
		}
		return f
	}
	switch {
	case t.whole.verdict == clean, len(t.main.events) > 0 && !t.main.ended:
		return pass("events come while the stream is open")
	case len(t.main.events) > 0:
		return pass("the stream ended %s after it began", roundDuration(t.main.endedAt-t.main.start))
	}
	f, _ = quiet(o, t.main)
	if f.Status == "" {
		f = inconclusive("no whole event came in %s", roundDuration(o.Duration))
	}
	return f
}

var terminatorLateCheck = Check{
	ID: "terminator-late", Group: "buffering", Title: "the blank line comes with its event", Worst: Fail,
	How:    "Pauses at which only the blank line of an event is missing: at least 3, and 80 % of all.",
	Why:    "Clients dispatch every event one event late.",
	Cite:   "https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation",
	Cures:  []Cure{cureWriteWhole},
	Timing: true,
	run:    checkTerminatorLate,
}

func checkTerminatorLate(o *Observation) Finding {
	t := timingOf(o)
	all := t.all
	if all.terminatorLate() {
		return fail("the blank line that ends an event comes with the next event").
			seen("%d of %d pauses lack nothing but the blank line", all.noBlank, all.noBlank+all.mid+all.aligned).
			with("pauses_no_blank", all.noBlank)
	}
	if all.aligned+all.mid+all.noBlank == 0 {
		return inconclusive("no pause to judge by")
	}
	return pass("events end before the stream pauses")
}
