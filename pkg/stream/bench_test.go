package stream_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// The corpora are about 4 MiB each and the same in every run.
var corpora = []struct {
	name string
	make func(r *rand.Rand, i int) string
}{
	{"llm", func(r *rand.Rand, i int) string { return llmDelta(r, i) + "\n\n" }},
	{"ticks", func(r *rand.Rand, i int) string {
		return fmt.Sprintf("data: {\"t\":%d,\"p\":%d.%02d}\n\n", 1795000000+i, 100+r.IntN(900), r.IntN(100))
	}},
	{"lines64k", func(r *rand.Rand, i int) string {
		var b strings.Builder
		for b.Len() < 64<<10 {
			fmt.Fprintf(&b, "data: %s\n", strings.Repeat("x", 40+r.IntN(80)))
		}
		return b.String() + "\n"
	}},
	{"crlf-heartbeats", func(r *rand.Rand, i int) string {
		if i%4 == 3 {
			return ": keepalive\r\n\r\n"
		}
		return fmt.Sprintf("data: {\"t\":%d,\"price\":%d.%02d,\"size\":%d}\r\n\r\n", 1795000000+i, r.IntN(900), r.IntN(100), r.IntN(1000))
	}},
	{"crlf-fields", func(r *rand.Rand, i int) string { // short lines, the hardest
		return fmt.Sprintf("id: %d\r\nevent: tick\r\ndata: {\"t\":%d,\"p\":%d.%02d}\r\n\r\n", i, 1795000000+i, 100+r.IntN(900), r.IntN(100))
	}},
	{"fields", func(r *rand.Rand, i int) string {
		return fmt.Sprintf("id: %d\nevent: tick\ndata: {\"t\":%d,\"p\":%d.%02d}\n\n", i, 1795000000+i, 100+r.IntN(900), r.IntN(100))
	}},
	{"llm-crlf", func(r *rand.Rand, i int) string { return llmDelta(r, i) + "\r\n\r\n" }},
}

func llmDelta(r *rand.Rand, i int) string {
	words := []string{" the", " tide", " rises", ",", " and", " harbour", " lights", ".", " at", " noon"}
	return fmt.Sprintf(`data: {"id":"chatcmpl-%08d","object":"chat.completion.chunk","created":1795000000,"model":"sample-4","system_fingerprint":"fp_sample","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null}`, i/200, words[r.IntN(len(words))])
}

func corpus(i int) (text []byte, events int) {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	var b bytes.Buffer
	for n := 0; b.Len() < 4<<20; n++ {
		b.WriteString(corpora[i].make(r, n))
	}
	for range stream.NewDecoder(bytes.NewReader(b.Bytes())).Events() {
		events++
	}
	return b.Bytes(), events
}

// copyAndFind is the limit that decoding is compared with: copy the bytes into
// a buffer of 32 KiB and find each line feed.
func copyAndFind(text, buf []byte) (lines int) {
	for len(text) > 0 {
		n := copy(buf, text)
		text = text[n:]
		for chunk := buf[:n]; ; lines++ {
			i := bytes.IndexByte(chunk, '\n')
			if i < 0 {
				break
			}
			chunk = chunk[i+1:]
		}
	}
	return lines
}

// ratio alternates between the limit and the work, so that a noisy machine
// hits both, and reports how near the work comes: 1 is as fast as the limit.
func ratio(b *testing.B, bytes int, limit, work func()) {
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	var limits, works time.Duration
	for b.Loop() {
		start := cpuTime()
		limit()
		middle := cpuTime()
		work()
		limits += middle - start
		works += cpuTime() - middle
	}
	b.ReportMetric(float64(limits)/float64(works), "of-limit")
	b.ReportMetric(float64(works.Nanoseconds())/float64(b.N), "work-ns/op")
}

var sink int

// BenchmarkDecodeView reads events as views, BenchmarkDecodeOwned as copies.
func BenchmarkDecodeView(b *testing.B) {
	benchmarkDecode(b, func(d *stream.Decoder) (n int) {
		for {
			e, err := d.Next()
			if err != nil {
				return n
			}
			sink += len(e.Data())
			n++
		}
	})
}

func BenchmarkDecodeOwned(b *testing.B) {
	benchmarkDecode(b, func(d *stream.Decoder) (n int) {
		for event := range d.Events() {
			sink += len(event.Data)
			n++
		}
		return n
	})
}

func benchmarkDecode(b *testing.B, decode func(*stream.Decoder) (events int)) {
	for i, c := range corpora {
		b.Run(c.name, func(b *testing.B) {
			text, events := corpus(i)
			buf := make([]byte, 32<<10)
			src := bytes.NewReader(text)
			d := stream.NewDecoder(src)
			ratio(b, len(text), func() { sink += copyAndFind(text, buf) }, func() {
				src.Reset(text)
				d.Reset(onlyReader{src})
				if n := decode(d); n != events {
					b.Fatalf("%d events, want %d", n, events)
				}
			})
			reportEvents(b, events)
		})
	}
}

func reportEvents(b *testing.B, events int) {
	b.ReportMetric(float64(events), "events/op")
}

// onlyReader hides WriteTo and the like.
type onlyReader struct{ r io.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p) }

// BenchmarkDecodeHugeLine reads one line that comes in the segments of a
// network. Time must grow with the size, not with its square.
func BenchmarkDecodeHugeLine(b *testing.B) {
	for _, size := range []int{1 << 20, 8 << 20, 15 << 20} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			text := []byte("data: " + strings.Repeat("x", size) + "\n\n")
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				d := stream.NewDecoder(&segments{text})
				if e, err := d.Next(); err != nil || len(e.Data()) != size {
					b.Fatal(err)
				}
			}
		})
	}
}

// segments gives its bytes in pieces of 1,460.
type segments struct{ rest []byte }

func (s *segments) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1460)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// BenchmarkEncode compares with appending the finished bytes.
func BenchmarkEncode(b *testing.B) {
	for i, c := range corpora {
		b.Run(c.name, func(b *testing.B) {
			text, events := corpus(i)
			var all []stream.Event
			var finished [][]byte
			size := 0
			for event := range stream.NewDecoder(bytes.NewReader(text)).Events() {
				encoded, err := event.AppendText(nil)
				if err != nil {
					b.Fatal(err)
				}
				all, finished, size = append(all, event), append(finished, encoded), size+len(encoded)
			}
			dst := make([]byte, 0, 1<<20)
			ratio(b, size, func() {
				for _, e := range finished {
					dst = append(dst[:0], e...)
				}
			}, func() {
				for i := range all {
					dst, _ = all[i].AppendText(dst[:0])
				}
			})
			reportEvents(b, events)
		})
	}
}

// BenchmarkJSONLine compares with copying the data.
func BenchmarkJSONLine(b *testing.B) {
	for i, c := range corpora {
		b.Run(c.name, func(b *testing.B) {
			text, events := corpus(i)
			src := bytes.NewReader(text)
			d := stream.NewDecoder(src)
			at := time.Date(2026, 11, 20, 22, 45, 1, 0, time.UTC)
			dst := make([]byte, 0, 1<<20)
			decode := func(each func(*stream.Block)) func() {
				return func() {
					src.Reset(text)
					d.Reset(onlyReader{src})
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
			ratio(b, len(text), decode(func(e *stream.Block) { dst = append(dst[:0], e.Data()...) }),
				decode(func(e *stream.Block) { dst = e.AppendJSON(dst[:0], at) }))
			reportEvents(b, events)
		})
	}
}

// BenchmarkRecordRead reads JSON lines back.
func BenchmarkRecordRead(b *testing.B) {
	text, events := corpus(0)
	var file []byte
	for e := range stream.NewDecoder(bytes.NewReader(text)).Blocks() {
		file = e.AppendJSON(file, time.Unix(1795000000, 0))
	}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		rr := stream.NewRecordReader(bytes.NewReader(file))
		for {
			if _, err := rr.Read(); err != nil {
				break
			}
		}
	}
	reportEvents(b, events)
}
