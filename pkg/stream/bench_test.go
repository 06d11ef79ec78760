package stream_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/internal/streamtest"
	"github.com/ssectl/ssectl/pkg/stream"
)

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
	for _, c := range streamtest.Corpora() {
		b.Run(c.Name, func(b *testing.B) {
			text, events := c.Text, c.Events
			buf := make([]byte, 32<<10)
			src := bytes.NewReader(text)
			d := stream.NewDecoder(src)
			streamtest.Ratio(b, len(text), func() { sink += copyAndFind(text, buf) }, func() {
				src.Reset(text)
				d.Reset(streamtest.OnlyReader{R: src})
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
	for _, c := range streamtest.Corpora() {
		b.Run(c.Name, func(b *testing.B) {
			text, events := c.Text, c.Events
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
			streamtest.Ratio(b, size, func() {
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
