package check

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

var llmChecks = []*Check{
	&llmTerminalCheck,
	&llmErrorCheck,
	&llmCadenceCheck,
	&mcpGetCheck,
	&mcpPostCheck,
	&mcpListenCheck,
}

var llmTerminalCheck = Check{
	ID: "llm-terminal", Group: "llm", Title: "a model's answer is complete", Worst: Fail,
	How:   "The end of an answer: a finish reason and [DONE], response.completed, or message_stop.",
	Why:   "A truncated answer looks complete.",
	Cite:  "https://github.com/vercel/ai/issues/19165",
	Cures: []Cure{cureReportErrors},
	Needs: NeedsProfile,
	run:   checkLLMTerminal,
}

var cureReportErrors = Cure{{For: "app", Text: `report an error as data: {"error":...}, never end silently`}}

// noDialect returns the finding of the checks of model answers for other
// streams.
func noDialect(o *seen.Observation) (Finding, bool) {
	if seen.DialectOf(o) != seen.NoDialect {
		return Finding{}, false
	}
	if p := o.Options.Profile; p == seen.ProfileOpenAI || p == seen.ProfileAnthropic {
		return inconclusive("the events are not an answer of %s", p), true
	}
	return skip("not the answer of a model"), true
}

func checkLLMTerminal(o *seen.Observation) Finding {
	if f, ok := noDialect(o); ok {
		return f
	}
	d, t := seen.DialectOf(o), o.Main().Timeline()
	finished, done := false, false
	for _, e := range t.Events {
		switch d {
		case seen.ChatCompletions:
			finished = finished || hasFinishReason(e.Data)
			done = done || string(bytes.TrimSpace(e.Data)) == "[DONE]"
		case seen.Responses:
			finished = finished || e.Type == "response.completed" || e.Type == "response.incomplete"
			done = finished
		case seen.AnthropicMessages:
			finished = finished || e.Type == "message_stop"
			done = finished
		}
	}
	switch {
	case finished && done:
		return pass("complete, as %s end", d)
	case !t.Ended:
		return inconclusive("not at its end in %s; a longer Options.Duration decides", seen.RoundDuration(o.Duration))
	case modelError(t) != "":
		return fail("ended by an error: see llm-error").refer("llm-error").cure()
	case finished:
		return warn("a finish reason, but no [DONE]")
	case done:
		return fail("[DONE] without a finish reason: the answer is truncated, and looks complete")
	}
	return fail("truncated: the end of %s is missing", d)
}

// hasFinishReason reports whether a chunk has the reason why the answer ends.
func hasFinishReason(data []byte) bool {
	var chunk struct {
		Choices []struct {
			FinishReason *string `json:"finish_reason"`
		} `json:"choices"`
	}
	if json.Unmarshal(data, &chunk) != nil {
		return false
	}
	for _, c := range chunk.Choices {
		if c.FinishReason != nil {
			return true
		}
	}
	return false
}

// modelError returns the message of an error within the stream.
func modelError(t *seen.Timeline) string {
	for _, e := range t.Events {
		if e.Type == "error" || e.Type == "response.failed" || hasError(e.Data) {
			return httpx.Clip(string(e.Data), 80)
		}
	}
	return ""
}

// hasError reports whether a JSON object is an error of an API.
func hasError(object []byte) bool {
	var payload struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"error"`
	}
	json.Unmarshal(object, &payload)
	return payload.Type == "error" || len(payload.Error) > 0 && string(payload.Error) != "null"
}

var llmErrorCheck = Check{
	ID: "llm-error", Group: "llm", Title: "errors are reported", Worst: Fail,
	How:   "Error objects and events within the answer, and error fields that clients ignore.",
	Why:   "The status is 200 already, so nothing else can report an error.",
	Cite:  "https://github.com/mozilla-ai/any-llm/issues/847",
	Cures: []Cure{cureReportErrors},
	Needs: NeedsProfile,
	run:   checkLLMError,
}

func checkLLMError(o *seen.Observation) Finding {
	if f, ok := noDialect(o); ok {
		return f
	}
	t := o.Main().Timeline()
	if bytes.Contains(t.Plain, []byte("\nerror:")) {
		return fail("an error: field, which clients ignore; errors belong in an event")
	}
	if message := modelError(t); message != "" {
		return warn("the answer has an error, reported correctly").seen("%s", message).cure()
	}
	return pass("no error in the answer")
}

var llmCadenceCheck = Check{
	ID: "llm-cadence", Group: "llm", Title: "tokens come one by one", Worst: Fail,
	How:    "Time to the first event, the gaps, how many come alone; all at once fails.",
	Why:    "A chat that is not streamed feels broken.",
	Cite:   "https://github.com/tmokmss/dify-on-aws-cdk/issues/1",
	Cures:  []Cure{cureStreamWhole},
	Needs:  NeedsProfile,
	Timing: true, run: checkLLMCadence,
}

func checkLLMCadence(o *seen.Observation) Finding {
	if f, ok := noDialect(o); ok {
		return f
	}
	t := o.Main().Timeline()
	if hold.Of(o).Verdict(hold.Whole) == hold.Held {
		return fail("not streamed: the whole answer came at once, after %s", seen.RoundDuration(hold.Of(o).Estimate(hold.Whole).Hold))
	}
	single, bringing := 0, 0
	var gaps []time.Duration
	for i, a := range t.Arrivals {
		if a.Events > 0 {
			bringing++
		}
		if a.Events == 1 {
			single++
		}
		if i > 0 {
			gaps = append(gaps, a.From-t.Arrivals[i-1].To)
		}
	}
	if bringing == 0 {
		return inconclusive("no event arrived")
	}
	first := t.Events[0].At - t.Start
	return info("first event after %s, then one every %s; %d of %d arrivals bring one event", seen.RoundDuration(first), seen.RoundDuration(seen.Median(gaps)), single, bringing).
		with("ttft_ms", seen.Milliseconds(first)).with("gap_p50_ms", seen.Milliseconds(seen.Median(gaps)))
}
