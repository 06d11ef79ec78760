package tape

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// BenchmarkRecord measures the cost of a recording for an event of a model, beside the
// same lines without a look for secrets.
func BenchmarkRecord(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "data: {\"id\":\"chatcmpl-AbC123\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word%d\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n", i)
	}
	var records []record.Record
	var blocks []stream.Block
	start := time.Now()
	for block, err := range stream.NewDecoder(strings.NewReader(text.String())).Blocks() {
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, record.FromBlock(block, start))
	}
	for i := range records {
		text, err := records[i].AppendText(nil)
		if err != nil {
			b.Fatal(err)
		}
		block, err := stream.NewDecoder(bytes.NewReader(text)).Block()
		if err != nil {
			b.Fatal(err)
		}
		blocks = append(blocks, *block)
	}
	size := int64(text.Len() / len(records))
	b.Run("tape", func(b *testing.B) {
		r := &Recorder{Dir: b.TempDir(), Failed: func(err error) { b.Error(err) }}
		request := &exchange.Request{Method: "GET", URL: &url.URL{Path: "/"}, Header: http.Header{"Authorization": {"Bearer Abcdefg-Secret-1234"}}}
		request.Finished()
		w := r.Watch(request)
		w.Response(&exchange.Response{Status: 200, Header: sse, Stream: true})
		b.SetBytes(size)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			exchange.Tell(w, &blocks[i%len(blocks)], start)
		}
		w.End(exchange.End{How: exchange.Whole})
	})
	b.Run("lines", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "f"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		b.SetBytes(size)
		var pending []byte
		for i := 0; b.Loop(); i++ {
			if pending = records[i%len(records)].AppendJSON(pending); len(pending) > flushSize {
				f.Write(pending)
				pending = pending[:0]
			}
		}
	})
}
