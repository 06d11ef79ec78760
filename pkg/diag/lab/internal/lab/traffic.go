package lab

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A Traffic is how a publisher makes events.
type Traffic string

// The kinds of traffic. The thresholds of diag were chosen on those up to Chat.
const (
	Steady Traffic = "steady" // one of 250 bytes every 100 ms
	Sparse Traffic = "sparse" // one of 200 bytes every 1.2 to 2 s
	Bursty Traffic = "bursty" // some at once, then nothing for a second
	Large  Traffic = "large"  // small ones, and every third of 20 to 60 KiB
	Tokens Traffic = "tokens" // 40 to 60 bytes, 20 to 60 ms apart
	Silent Traffic = "silent" // headers, and no event
	Chat   Traffic = "chat"   // as tokens, but a model's answer of its own for each client, without IDs, with an end

	Poisson Traffic = "poisson" // at random, five in a second
	Batches Traffic = "batches" // 3 to 20 tokens at once, every 0.8 to 2.8 s
	Big     Traffic = "big"     // 20 KiB every 2 s
	Late    Traffic = "late"    // nothing for 5 s, then 30 within 0.3 s
	Beats   Traffic = "beats"   // a comment every second, an event every 3 to 6 s
	Rare    Traffic = "rare"    // a comment every 5 s, an event every 15 s
	Plain   Traffic = "plain"   // without IDs, every 0.2 to 0.5 s
	Timed   Traffic = "timed"   // without IDs, with the time, every 0.2 to 0.9 s
	Same    Traffic = "same"    // all alike, without IDs, every 0.3 to 0.7 s
	Job     Traffic = "job"     // the same 30 events within 3 s for each client, with an end
	Export  Traffic = "export"  // the same 150 events within 30 s for each client, with an end
)

// AllTraffic is every kind.
var AllTraffic = []Traffic{
	Steady, Sparse, Bursty, Large, Tokens, Silent, Chat,
	Poisson, Batches, Big, Late, Beats, Rare, Plain, Timed, Same, Job, Export,
}

// next returns the time until the next events, their number and their size.
func (t Traffic) next(n int) (wait time.Duration, count, size int) {
	switch t {
	case Steady:
		return 100 * time.Millisecond, 1, 250
	case Sparse:
		return 1200*time.Millisecond + rand.N(800*time.Millisecond), 1, 200
	case Bursty:
		return 600*time.Millisecond + rand.N(800*time.Millisecond), 2 + rand.N(6), 120 + rand.N(200)
	case Large:
		if n%3 == 2 {
			return 400 * time.Millisecond, 1, 20<<10 + rand.N(40<<10)
		}
		return 600 * time.Millisecond, 1, 200
	case Tokens:
		return 20*time.Millisecond + rand.N(40*time.Millisecond), 1, 40 + rand.N(20)
	case Poisson:
		return time.Duration(rand.ExpFloat64() * float64(200*time.Millisecond)), 1, 60 + rand.N(400)
	case Batches:
		return 800*time.Millisecond + rand.N(2*time.Second), 3 + rand.N(18), 20 + rand.N(30)
	case Big:
		return 2 * time.Second, 1, 20 << 10
	case Late:
		if n%30 == 0 {
			return 5 * time.Second, 1, 150
		}
		return 10 * time.Millisecond, 1, 150
	case Beats:
		return 3*time.Second + rand.N(3*time.Second), 1, 200
	case Rare:
		return 15 * time.Second, 1, 200
	case Plain:
		return 200*time.Millisecond + rand.N(300*time.Millisecond), 1, 100 + rand.N(300)
	case Timed:
		return 200*time.Millisecond + rand.N(700*time.Millisecond), 1, 100 + rand.N(300)
	case Same:
		return 300*time.Millisecond + rand.N(400*time.Millisecond), 1, 0
	}
	return time.Hour, 0, 0 // Silent, and the streams that each client gets for itself
}

// heartbeat is how often a connection gets a comment, 0 for never.
func (t Traffic) heartbeat() time.Duration {
	switch t {
	case Beats:
		return time.Second
	case Rare:
		return 5 * time.Second
	}
	return 0
}

// own is how many events each client gets for itself, and how far apart.
func (t Traffic) own() (count int, least, most time.Duration) {
	switch t {
	case Chat:
		return 180, 15 * time.Millisecond, 60 * time.Millisecond
	case Job:
		return 30, 90 * time.Millisecond, 110 * time.Millisecond
	case Export:
		return 150, 150 * time.Millisecond, 250 * time.Millisecond
	}
	return 0, 0, 0
}

// event is the text of an event. answer is of the connection, for chats.
func (t Traffic) event(id int, clock bool, size int, answer uint64) []byte {
	time := fmt.Sprintf(`"ms":%d,`, time.Now().UnixMilli())
	if !clock && t != Timed {
		time = ""
	}
	switch t {
	case Same:
		return []byte("event: tick\ndata: {}\n\n")
	case Plain, Timed:
		return fmt.Appendf(nil, "data: {\"n\":%d,%s\"text\":\"%s\"}\n\n", id, time, filler(size))
	case Chat:
		return fmt.Appendf(nil, "data: {\"id\":\"chatcmpl-%x\",\"object\":\"chat.completion.chunk\",\"n\":%d,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n", answer, id, filler(3+rand.N(8)))
	case Job, Export: // the same each time it is asked for
		return fmt.Appendf(nil, "id: %d\ndata: {\"n\":%d,\"done\":%d}\n\n", id, id, id*id)
	}
	return fmt.Appendf(nil, "id: %d\ndata: {\"n\":%d,%s\"text\":\"%s\"}\n\n", id, id, time, filler(size))
}

// filler is text that does not compress to nothing.
func filler(size int) string {
	const words = "stream event buffer proxy flush token delta chunk server client retry cursor "
	var b strings.Builder
	for b.Len() < size {
		at := rand.N(len(words) - 8)
		b.WriteString(words[at : at+8])
		b.WriteString(strconv.Itoa(rand.N(10000)))
	}
	return b.String()[:size]
}
