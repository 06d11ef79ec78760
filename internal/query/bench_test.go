package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/stream"
)

// BenchmarkQuestion states the time of an answer, beside that of encoding/json and
// gojq for the same event.
func BenchmarkQuestion(b *testing.B) {
	const event = `data: {"id":"chatcmpl-sample0001","object":"chat.completion.chunk","created":1795000000,"model":"sample-4","choices":[{"index":0,"delta":{"content":" tide"},"logprobs":null,"finish_reason":null}],"usage":null,"price":101.25}` + "\n\n"
	block, err := stream.NewDecoder(strings.NewReader(event)).Next()
	if err != nil {
		b.Fatal(err)
	}
	for _, expression := range []string{
		".json.choices[0].delta.content // empty", ".json.price > 100", `.event == "tick"`,
		"[.json.choices[] | .delta.content]", "length",
	} {
		var in Input
		q, err := in.Compile(expression)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("answer/%s", expression), func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				in.Set(block, at)
				dst, _ = q.Append(b.Context(), dst[:0], line)
			}
		})
		b.Run(fmt.Sprintf("reference/%s", expression), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				referenceAnswers(&q.Query, referenceInput(block, at))
			}
		})
	}
	data := string(block.Data())
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Parse([]byte(data))
		}
	})
	b.Run("parse/encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			referenceParse(data)
		}
	})
}
