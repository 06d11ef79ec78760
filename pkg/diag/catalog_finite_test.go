package diag

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
)

// zip compresses a recording, flushed with each read.
func zip(x *Exchange) {
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

// chat is a model's answer, one chunk at a time, and what ends it.
func chat(atOnce bool, end string) *Exchange {
	x := recorded(RoleA, 0, EndEOF, 4100)
	for i, text := range append(strings.SplitAfter(strings.Repeat(chatChunk, 12), "\n\n")[:12], end) {
		at := 200 * (i + 1)
		if atOnce {
			at = 4000
		}
		x.Body = append(x.Body, text...)
		x.Reads = append(x.Reads, Read{At: ms(at), N: len(text)})
	}
	return x
}

// finiteTapes are recordings of streams with an end.
func finiteTapes() []evidence {
	const finish = `data: {"object":"chat.completion.chunk","choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	stored := func(change func(whole, part, other, past *Exchange)) []*Exchange {
		whole := recorded(RoleA, 0, EndEOF, 10, step{5, ev(1, 60) + ev(2, 60) + ev(3, 60)})
		whole.Header.Set("Etag", `"v1"`)
		part := recorded(RoleRange, 20, EndEOF, 30, step{25, ev(2, 60) + ev(3, 60)})
		part.Status, part.RequestHeader = http.StatusPartialContent, http.Header{"Range": {"bytes=60-"}}
		part.Header.Set("Content-Range", "bytes 60-179/180")
		other, past := recorded(RoleRangeIf, 30, EndEOF, 40), recorded(RoleRangeEnd, 40, EndEOF, 50)
		past.Status = http.StatusRequestedRangeNotSatisfiable
		if change != nil {
			change(whole, part, other, past)
		}
		return []*Exchange{whole, part, other, past}
	}
	return []evidence{
		{"a whole answer", tape(chat(false, finish)), map[string]Status{"llm-terminal": Pass, "llm-error": Pass, "llm-cadence": Info, "end-signal": Pass, "end-clean": Pass, "buffer-whole": Pass}},
		{"a cut answer", tape(chat(false, "")), map[string]Status{"llm-terminal": Fail, "end-signal": Info}},
		{"an answer with an error", tape(chat(false, `data: {"error":{"message":"overloaded"}}`+"\n\ndata: [DONE]\n\n")), map[string]Status{"llm-terminal": Fail, "llm-error": Warn}},
		{"an answer at once", tape(chat(true, finish)), bad(Fail, "llm-cadence", "buffer-whole")},
		{"unterminated", tape(recorded(RoleA, 0, EndEOF, 20, step{10, "data: a\n\ndata: b\n"})), bad(Fail, "frame-terminator")},
		{"204 at the end", tape(recorded(RoleA, 0, EndEOF, 20, step{10, ev(1, 60)}), func() *Exchange {
			x := recorded(RoleLastID, 30, EndEOF, 40)
			x.Status = http.StatusNoContent
			return x
		}()), good("resume-end")},
		{"ranges", tape(stored(nil)...), good("resume-range")},
		{"ranges, whatever the condition", tape(stored(func(_, _, other, _ *Exchange) { other.Status = http.StatusPartialContent })...), bad(Warn, "resume-range")},
	}
}
