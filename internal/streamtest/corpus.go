package streamtest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A Corpus is a stream of about 4 MiB, the same in every run.
type Corpus struct {
	Name   string
	Text   []byte
	Events int
}

// Corpora makes the corpora.
func Corpora() []Corpus {
	var all []Corpus
	for i := range kinds {
		all = append(all, corpus(i))
	}
	return all
}

// Named returns one of the corpora.
func Named(name string) Corpus {
	for i, kind := range kinds {
		if kind.name == name {
			return corpus(i)
		}
	}
	panic("no corpus " + name)
}

func corpus(i int) Corpus {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	c := Corpus{Name: kinds[i].name}
	var b bytes.Buffer
	for n := 0; b.Len() < 4<<20; n++ {
		text := kinds[i].make(r, n)
		if !strings.HasPrefix(text, ":") {
			c.Events++
		}
		b.WriteString(text)
	}
	c.Text = b.Bytes()
	return c
}

var kinds = []struct {
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
	// Events with nothing in common but their keys.
	{"trades", func(r *rand.Rand, i int) string {
		return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", 7*i+r.IntN(7), word(r), trade(r))
	}},
	{"trades-crlf", func(r *rand.Rand, i int) string {
		return fmt.Sprintf("id: %d\r\nevent: %s\r\ndata: %s\r\n\r\n", 7*i+r.IntN(7), word(r), trade(r))
	}},
	{"event+data", func(r *rand.Rand, i int) string { return fmt.Sprintf("event: %s\ndata: %s\n\n", word(r), trade(r)) }},
	{"id+data", func(r *rand.Rand, i int) string {
		return fmt.Sprintf("id: %d\ndata: {\"t\":%d,\"p\":%d.%02d}\n\n", 7*i+r.IntN(7), 1795000000+i, r.IntN(900), r.IntN(100))
	}},
}

func word(r *rand.Rand) string {
	words := []string{"tide", "harbour", "light", "sand", `"grey"`, "noon", "é", "lamp", "rope", "salt", "gull", "oar"}
	return words[r.IntN(len(words))]
}

// trade returns 200 bytes of JSON, with some forty quotes.
func trade(r *rand.Rand) string {
	return fmt.Sprintf(`{"price":%d.%02d,"size":%d,"symbol":%q,"buyer":"%08x-%04x","seller":%q,"open":%t,"depth":[%d,%d.5,null],"note":%q,"trace":"%x","at":%d}`,
		r.IntN(200), r.IntN(100), r.IntN(1e5), word(r), r.Uint32(), r.IntN(1<<16), word(r), r.IntN(2) == 0,
		r.IntN(1000), r.IntN(50), strings.Repeat(word(r)+" ", 1+r.IntN(4)), r.Uint64(), 1795000000000+r.Int64N(1e12))
}

func llmDelta(r *rand.Rand, i int) string {
	words := []string{" the", " tide", " rises", ",", " and", " harbour", " lights", ".", " at", " noon"}
	return fmt.Sprintf(`data: {"id":"chatcmpl-%08d","object":"chat.completion.chunk","created":1795000000,"model":"sample-4","system_fingerprint":"fp_sample","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null}`, i/200, words[r.IntN(len(words))])
}

// Ratio runs work and the limit that it is compared with in turn, so that a noisy
// machine hits both, and reports how near the work comes: 1 is as fast as the
// limit.
func Ratio(b *testing.B, bytes int, limit, work func()) {
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	var limits, works time.Duration
	for b.Loop() {
		start := CPUTime()
		limit()
		middle := CPUTime()
		work()
		limits += middle - start
		works += CPUTime() - middle
	}
	b.ReportMetric(float64(limits)/float64(works), "of-limit")
	b.ReportMetric(float64(works.Nanoseconds())/float64(b.N), "work-ns/op")
}

// OnlyReader hides WriteTo and the like.
type OnlyReader struct{ R io.Reader }

func (o OnlyReader) Read(p []byte) (int, error) { return o.R.Read(p) }
