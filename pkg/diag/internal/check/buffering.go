package check

import (
	"fmt"

	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
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
	How:     "A hold of 0.15 s or more warns, of 0.4 s or more fails. It is confirmed on another connection before it is reported.",
	Why:     "Events arrive late and in bursts, and with little traffic not at all.",
	Cite:    "https://github.com/nginx/nginx/issues/1505",
	Methods: []*hold.Method{hold.Pauses, hold.Second, hold.Clock, hold.Sizes, hold.Heartbeats, hold.Opening, hold.Lump, hold.Origin},
	Cures:   []Cure{cureStopBuffer},
	Timing:  true, run: checkBufferProxy,
}

var curePassOpening = Cure{
	{For: "app", Text: "exempt text/event-stream from whatever waits for the first bytes of a stream (a scanner, a minimum length for compression)"},
}

func checkBufferProxy(o *seen.Observation) Finding {
	v := hold.Of(o)
	est, f, other := attributed(o, hold.BySize)
	if other {
		return f
	}
	if est.Verdict > hold.Clean {
		f := heldFinding(est, "events are held for about %s", seen.RoundDuration(est.Hold))
		if est.Method == hold.Opening || est.Method == hold.Lump {
			f.Title = fmt.Sprintf("the start of each stream is held for about %s", seen.RoundDuration(est.Hold))
			f = f.cure(curePassOpening, cureStopBuffer)
		}
		size := seen.Median(v.All().Batches)
		if est.Method != hold.Pauses {
			size = hold.BufferSize(v.Main)
		}
		if size > 0 && est.Method != hold.Sizes && est.Method != hold.Opening && est.Method != hold.Lump {
			f.Title += fmt.Sprintf(" and let go in pieces of about %d bytes", size)
			f = f.with("batch_bytes", size)
		}
		return locate(o, f)
	}
	if f, ok := expected(o, v.Main); ok {
		return f
	}
	if f, ok := quiet(o, v.Main); ok {
		return f
	}
	if v.Doubt() != "" && v.Verdict(hold.Origin) != hold.Clean {
		return inconclusive("only the timestamps in the events suggest a hold, and they may not be publish times; serve.Handler.Stamp or Options.OriginURL decides").seen("%s", v.Doubt())
	}
	if est, ok := v.FirstClean(hold.Origin, hold.Pauses, hold.Flow, hold.Clock, hold.Second, hold.Heartbeats); ok {
		f := pass("%s", est.Seen).with("method", est.Method.String())
		if est.Method == hold.Second {
			// A hold that is the same for all would look the same.
			f.Title = "no connection has a buffer of its own: " + est.Seen
		}
		return f
	}
	if v.Main.Ended {
		return inconclusive("the stream ended too soon to tell a burst from a buffer (%d events in %s)", len(v.Main.Events), seen.RoundDuration(v.Main.EndedAt-v.Main.Start))
	}
	return inconclusive("too few pauses to tell a burst from a buffer (%d events in %s); a longer Options.Duration decides", len(v.Main.Events), seen.RoundDuration(o.Duration))
}

var bufferCompressionCheck = Check{
	ID: "buffer-compression", Group: "buffering", Title: "compression is flushed", Worst: Fail,
	How:     "The stream as a browser requests it, compared with the plain one. Each prefix is decoded.",
	Why:     "A compressor that waits for more input holds every event, and a test with curl does not show it.",
	Cite:    "https://github.com/expressjs/compression/issues/61",
	Methods: []*hold.Method{hold.Encoding, hold.Bare, hold.Second},
	Cures:   []Cure{cureFlushCompressor},
	Timing:  true, run: checkBufferCompression,
}

func checkBufferCompression(o *seen.Observation) Finding {
	v := hold.Of(o)
	if v.Browser.Encoded == "" {
		return skip("the stream is not compressed")
	}
	if v.Browser.DecodeErr != nil {
		return fail("cannot decode the %s stream: %v", v.Browser.Encoded, v.Browser.DecodeErr)
	}
	est, f, other := attributed(o, hold.ByCompression)
	if other {
		return f
	}
	if est.Verdict > hold.Clean {
		return locate(o, heldFinding(est, "%s holds events for about %s", v.Browser.Encoded, seen.RoundDuration(est.Hold)))
	}
	switch {
	case v.Verdict(hold.Encoding) == hold.Clean:
		return pass("%s", v.Estimate(hold.Encoding).Seen)
	case len(v.Browser.Plain) == 0:
		if v.Main.Encoded != "" {
			return inconclusive("%s on each connection, and nothing in it could be read in %s: a quiet stream, or one that is never flushed; Options.ExpectEvery decides", v.Browser.Encoded, seen.RoundDuration(o.Duration))
		}
		return inconclusive("%s, and nothing in it could be read in %s; the plain stream was as quiet", v.Browser.Encoded, seen.RoundDuration(o.Duration))
	}
	if all := hold.CountPauses(o, v.Browser, false); all.Mid == 0 && all.Aligned >= 3 && 3*all.Several <= all.Arrivals {
		return pass("%s, and all %d pauses are between events", v.Browser.Encoded, all.Aligned)
	}
	return inconclusive("%s, and too little to compare with the plain stream", v.Browser.Encoded)
}

var bufferTailCheck = Check{
	ID: "buffer-tail", Group: "buffering", Title: "the end of an event does not wait", Worst: Fail,
	How:     "A hold of 0.15 s or more warns, of 0.4 s or more fails. It is confirmed on another connection before it is reported.",
	Why:     "The last bytes of an event, or all of it, arrive with the next one: a burst passes every test, and its last event stalls.",
	Cite:    "https://github.com/aspnet/AspNetCoreModule/issues/16",
	Methods: []*hold.Method{hold.Tails, hold.Pauses, hold.Shift, hold.First, hold.Lead},
	Cures:   []Cure{cureStopNginx},
	Timing:  true, run: checkBufferTail,
}

var cureWriteAtOnce = Cure{
	{For: "app", Text: "write and flush an event when it is created, not when the next one is"},
	{For: "nginx", Text: nginxText},
	{For: "haproxy", Text: "take text/event-stream out of compression type"},
}

func checkBufferTail(o *seen.Observation) Finding {
	v := hold.Of(o)
	est, f, other := attributed(o, hold.ByTail)
	if other {
		return f
	}
	if est.Verdict > hold.Clean {
		f := heldFinding(est, "the end of an event waits for the next one, here for about %s", seen.RoundDuration(est.Hold))
		switch est.Method {
		case hold.First, hold.Shift:
			f.Title = fmt.Sprintf("every event waits for the next one, here for about %s", seen.RoundDuration(est.Hold))
			if est.Method == hold.First {
				f.Title = fmt.Sprintf("every event waits for the next one, here for about %s, or new connections join late by as much", seen.RoundDuration(est.Hold))
			}
			f = f.cure(cureWriteAtOnce)
		case hold.Lead:
			f.Title = fmt.Sprintf("open streams get events late, by about %s", seen.RoundDuration(est.Hold))
			f = f.cure(cureWriteAtOnce)
		}
		return locate(o, f)
	}
	if _, ok := quiet(o, v.Main); ok {
		return skipFor("buffer-proxy")
	}
	largest := 0
	for _, e := range v.Main.Events {
		largest = max(largest, e.Size)
	}
	if est, ok := v.FirstClean(hold.Punctual, hold.Flow, hold.First, hold.Origin); ok {
		return pass("no event waited for the next one (largest %s)", seen.RoundSize(largest)).seen("%s", est.Seen).with("method", est.Method.String())
	}
	if est, ok := v.FirstClean(hold.Tails, hold.Pauses); ok || v.All().Mid == 0 && v.All().Aligned > 0 {
		// Whether whole events wait is another question, and nothing answered it.
		return inconclusive("no event was cut by a pause (largest %s), but a whole one may wait for the next; serve.Handler.Stamp or Options.OriginURL decides", seen.RoundSize(largest)).with("method", est.Method.String())
	}
	return inconclusive("too few pauses to judge (%d inside an event, %d between)", v.All().Mid, v.All().Aligned)
}

var bufferTimerCheck = Check{
	ID: "buffer-timer", Group: "buffering", Title: "events are not released by a timer", Worst: Fail,
	How:     "Batches at a fixed period whose phase differs between connections. A period on one connection alone only warns.",
	Why:     "Every event is late by half the period.",
	Cite:    "https://github.com/caddyserver/caddy/issues/1972",
	Methods: []*hold.Method{hold.Second, hold.Phases, hold.Clock, hold.Period},
	Cures:   []Cure{cureFlushNoTimer},
	Timing:  true, run: checkBufferTimer,
}

var cureFlushNoTimer = Cure{
	{For: "app", Text: "flush after each event, not by a timer"},
	{For: "apache", Text: "ProxySet flushpackets=on for mod_proxy_fcgi"},
	{For: "caddy", Text: "flush_interval -1"},
	{For: "haproxy", Text: "option http-no-delay"},
	{For: "nginx", Text: nginxText},
}

func checkBufferTimer(o *seen.Observation) Finding {
	v := hold.Of(o)
	est, f, other := attributed(o, hold.ByTimer)
	if other {
		return f
	}
	if est.Verdict > hold.Clean {
		every, regular := hold.Beat(v.Main)
		f := heldFinding(est, "events come late, by up to %s", seen.RoundDuration(est.Hold))
		if regular && !v.MostlySingle() {
			f.Title = fmt.Sprintf("events come in batches, one every %s", seen.RoundDuration(every))
			f = f.with("period_ms", seen.Milliseconds(every))
			if every >= hold.Harmful && est.Method != hold.Period {
				f.Status = Fail // whatever the phases of two connections happened to be
			}
		}
		return locate(o, f)
	}
	if _, ok := quiet(o, v.Main); ok {
		return skipFor("buffer-proxy")
	}
	if est, ok := v.FirstClean(hold.Second, hold.Origin, hold.Clock, hold.Flow); ok {
		return pass("%s", est.Seen).with("method", est.Method.String())
	}
	if v.Verdict(hold.Pauses) == hold.Clean {
		return pass("events come one by one (%d of %d arrivals)", v.All().Aligned, len(v.Main.Arrivals))
	}
	if v.Main.Ended {
		return inconclusive("the stream ended too soon to judge")
	}
	return inconclusive("events arrive in groups, which the server itself may send; serve.Handler.Stamp or Options.OriginURL decides")
}

var bufferWholeCheck = Check{
	ID: "buffer-whole", Group: "buffering", Title: "the answer is not held to its end", Worst: Fail,
	How:     "At least ten events that all arrive together after a wait, or nothing at all.",
	Why:     "The stream becomes a download.",
	Cite:    "https://github.com/cloudflare/cloudflared/issues/1496",
	Methods: []*hold.Method{hold.Whole},
	Cures:   []Cure{cureStreamWhole},
	Timing:  true, AnyAnswer: true, run: checkBufferWhole,
}

func checkBufferWhole(o *seen.Observation) Finding {
	x := o.Main()
	if noStream(x) {
		return skip("no event stream to look at")
	}
	if x.Answered == 0 {
		return skipFor("headers-early")
	}
	v := hold.Of(o)
	est, f, other := attributed(o, hold.ByWhole)
	if other {
		return f
	}
	if est.Verdict > hold.Clean {
		f := heldFinding(est, "the whole answer came at once, after %s", seen.RoundDuration(est.Hold))
		if seen.DialectOf(o) == "" {
			f.Status = Warn // it may be a job that has nothing to say until it is done
		}
		return f
	}
	switch {
	case v.Verdict(hold.Whole) == hold.Clean, len(v.Main.Events) > 0 && !v.Main.Ended:
		return pass("events come while the stream is open")
	case len(v.Main.Events) > 0:
		return pass("the stream ended %s after it began", seen.RoundDuration(v.Main.EndedAt-v.Main.Start))
	}
	f, _ = quiet(o, v.Main)
	if f.Status == "" {
		f = inconclusive("no whole event came in %s", seen.RoundDuration(o.Duration))
	}
	return f
}

var terminatorLateCheck = Check{
	ID: "terminator-late", Group: "buffering", Title: "the blank line arrives with its event", Worst: Fail,
	How:    "Pauses at which only the blank line of an event is missing: at least 3, and 80 % of all.",
	Why:    "Clients dispatch every event late, when the next one arrives.",
	Cite:   "https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation",
	Cures:  []Cure{cureWriteWhole},
	Timing: true, run: checkTerminatorLate,
}

func checkTerminatorLate(o *seen.Observation) Finding {
	v := hold.Of(o)
	all := v.All()
	if all.TerminatorLate() {
		return fail("the blank line that ends an event comes with the next event").
			seen("%d of %d pauses lack only the blank line", all.NoBlank, all.NoBlank+all.Mid+all.Aligned).
			with("pauses_no_blank", all.NoBlank)
	}
	if all.Aligned+all.Mid+all.NoBlank == 0 {
		return inconclusive("no pause to judge by")
	}
	return pass("events end before the stream pauses")
}
