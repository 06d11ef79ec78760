package record_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ssectl/ssectl/internal/streamtest"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/stream"
)

// BenchmarkJSONLine compares with copying the data.
func BenchmarkJSONLine(b *testing.B) {
	for _, c := range streamtest.Corpora() {
		b.Run(c.Name, func(b *testing.B) {
			text, events := c.Text, c.Events
			src := bytes.NewReader(text)
			d := stream.NewDecoder(src)
			at := time.Date(2026, 11, 20, 22, 45, 1, 0, time.UTC)
			dst := make([]byte, 0, 1<<20)
			var lines record.Writer
			decode := func(each func(*stream.Block)) func() {
				return func() {
					src.Reset(text)
					d.Reset(streamtest.OnlyReader{R: src})
					for {
						e, err := d.Next()
						if err != nil {
							return
						}
						each(e)
					}
				}
			}
			// Both decode, so the ratio is that of the whole way.
			streamtest.Ratio(b, len(text), decode(func(e *stream.Block) { dst = append(dst[:0], e.Data()...) }),
				decode(func(e *stream.Block) { dst = lines.AppendBlock(dst[:0], e, at) }))
			reportEvents(b, events)
		})
	}
}

// BenchmarkRecordRead reads JSON lines back.
func BenchmarkRecordRead(b *testing.B) {
	corpus := streamtest.Corpora()[0]
	var (
		file  []byte
		lines record.Writer
	)
	for e := range stream.NewDecoder(bytes.NewReader(corpus.Text)).Blocks() {
		file = lines.AppendBlock(file, e, time.Unix(1795000000, 0))
	}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		rr := record.NewReader(bytes.NewReader(file))
		for {
			if _, err := rr.Read(); err != nil {
				break
			}
		}
	}
	reportEvents(b, corpus.Events)
}

func reportEvents(b *testing.B, events int) {
	b.ReportMetric(float64(events), "events/op")
}
