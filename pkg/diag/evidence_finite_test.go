package diag

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// zip compresses a recording, flushed with each read.
func zip(x *seen.Exchange) {
	var wire bytes.Buffer
	w := gzip.NewWriter(&wire)
	plain := x.Body
	for i := range x.Reads {
		before := wire.Len()
		w.Write(plain[:x.Reads[i].N])
		plain = plain[x.Reads[i].N:]
		w.Flush()
		x.Reads[i].N = wire.Len() - before
	}
	x.Body = wire.Bytes()
	x.Header.Set("Content-Encoding", "gzip")
}

const chatChunk = `data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"x"}}]}` + "\n\n"

// chat is a model's answer, one chunk at a time, with its end.
func chat(atOnce bool, end string) *seen.Exchange {
	x := seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 4100)
	for i, text := range append(strings.SplitAfter(strings.Repeat(chatChunk, 12), "\n\n")[:12], end) {
		at := 200 * (i + 1)
		if atOnce {
			at = 4000
		}
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, seen.Read{At: seentest.MS(at), N: len(text)})
	}
	return x
}

// finiteTapes are recordings of streams with an end.
func finiteTapes() []evidence {
	const finish = `data: {"object":"chat.completion.chunk","choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	stored := func(change func(whole, part, other, past *seen.Exchange)) []*seen.Exchange {
		whole := seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 10, seentest.Arrive(5, seentest.Ev(1, 60)+seentest.Ev(2, 60)+seentest.Ev(3, 60)))
		whole.Header.Set("Etag", `"v1"`)
		part := seentest.Recorded(seen.RoleRange, 20, seen.EndEOF, 30, seentest.Arrive(25, seentest.Ev(2, 60)+seentest.Ev(3, 60)))
		part.Status, part.RequestHeader = http.StatusPartialContent, http.Header{"Range": {"bytes=60-"}}
		part.Header.Set("Content-Range", "bytes 60-179/180")
		other, past := seentest.Recorded(seen.RoleRangeIf, 30, seen.EndEOF, 40), seentest.Recorded(seen.RoleRangeEnd, 40, seen.EndEOF, 50)
		past.Status = http.StatusRequestedRangeNotSatisfiable
		if change != nil {
			change(whole, part, other, past)
		}
		return []*seen.Exchange{whole, part, other, past}
	}
	return []evidence{
		{"a whole answer", tape(chat(false, finish)), map[string]check.Status{"llm-terminal": check.Pass, "llm-error": check.Pass, "llm-cadence": check.Info, "end-signal": check.Pass, "end-clean": check.Pass, "buffer-whole": check.Pass}},
		{"a cut answer", tape(chat(false, "")), map[string]check.Status{"llm-terminal": check.Fail, "end-signal": check.Info}},
		{"an answer with an error", tape(chat(false, `data: {"error":{"message":"overloaded"}}`+"\n\ndata: [DONE]\n\n")), map[string]check.Status{"llm-terminal": check.Fail, "llm-error": check.Warn}},
		{"an answer at once", tape(chat(true, finish)), bad(check.Fail, "llm-cadence", "buffer-whole")},
		{"unterminated", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 20, seentest.Arrive(10, "data: a\n\ndata: b\n"))), bad(check.Fail, "frame-terminator")},
		{"204 at the end", tape(seentest.Recorded(seen.RoleMain, 0, seen.EndEOF, 20, seentest.Arrive(10, seentest.Ev(1, 60))), func() *seen.Exchange {
			x := seentest.Recorded(seen.RoleLastID, 30, seen.EndEOF, 40)
			x.Status = http.StatusNoContent
			return x
		}()), good("resume-end")},
		{"ranges", tape(stored(nil)...), good("resume-range")},
		{"ranges, whatever the condition", tape(stored(func(_, _, other, _ *seen.Exchange) { other.Status = http.StatusPartialContent })...), bad(check.Warn, "resume-range")},
	}
}
