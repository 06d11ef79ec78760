package hold

import (
	"fmt"
	"math"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
)

// Sizes asks whether the pieces are of one size and the events are not.
var Sizes = &Method{
	Name:     "sizes",
	Doc:      "pieces of one size, whatever the sizes of the events",
	estimate: func(v *View, _ ...Estimate) Estimate { return worst(testSizes(v.Main), testPacing(v.Main)) },
}

// testSizes looks for pieces that are of one size although the events in them
// are not.
func testSizes(t *seen.Timeline) Estimate {
	est := Estimate{}
	var batches, sizes []float64
	var gaps []time.Duration
	events := 0
	for i, gap := range t.Pauses {
		if i == 0 {
			continue // the past, which was there at the start
		}
		batches = append(batches, float64(t.Arrivals[i].Bytes))
		gaps = append(gaps, gap)
		events += t.Arrivals[i].Events
	}
	for _, e := range t.Events {
		sizes = append(sizes, float64(e.Size))
	}
	if len(batches) < 6 || events < 2*len(batches) {
		return est
	}
	perBatch := float64(events) / float64(len(batches))
	if seen.Variation(sizes) < 0.05 {
		return est // equal events make equal pieces, whoever makes them
	}
	if seen.Variation(batches) < 0.25*seen.Variation(sizes)/math.Sqrt(perBatch) && seen.Median(gaps) > seen.Noticeable {
		est.Verdict, est.Hold = judge(seen.Median(gaps)), seen.Median(gaps)
		est.Seen = fmt.Sprintf("pieces of %.0f bytes, ±%.1f %%, of events that differ by ±%.0f %%", seen.Mean(batches), 100*seen.Variation(batches), 100*seen.Variation(sizes))
		est.Numbers = map[string]any{"batch_bytes": int(seen.Mean(batches))}
	}
	return est
}

// testPacing looks for hops that pass only so many bytes at a time: the pieces
// are of one size and cut events anywhere, which no source does.
func testPacing(t *seen.Timeline) Estimate {
	const smallest, least = 64, 12
	est := Estimate{}
	var sizes []int
	var gaps []time.Duration
	for i, gap := range t.Pauses {
		if i > 0 { // the first is the past, which was there at the start
			sizes = append(sizes, t.Arrivals[i].Bytes)
			gaps = append(gaps, gap)
		}
	}
	size, gap := seen.Median(sizes), seen.Median(gaps)
	equal, cuts := 0, 0
	for i := range sizes {
		if a := t.Arrivals[i+1]; (a.Bytes-size)*(a.Bytes-size) <= 4 {
			equal++
			if a.State == seen.InLine {
				cuts++
			}
		}
	}
	if equal >= least && size >= smallest && 5*equal >= 4*len(sizes) && 2*cuts >= equal && gap >= 50*time.Millisecond {
		est.Verdict, est.Hold = judge(gap), gap
		est.Seen = fmt.Sprintf("pieces of %d bytes whatever the events, one every %s: something paces the stream", size, seen.RoundDuration(gap))
		est.Numbers = map[string]any{"batch_bytes": size}
	}
	return est
}

// BufferSize is the size of a buffer by which the arrivals seem to be let go: a
// round number of bytes that each of them just reaches, or just does not. Zero
// stands for none.
func BufferSize(t *seen.Timeline) int {
	largest, least, most := 0, 0, 0
	for _, e := range t.Events {
		largest = max(largest, e.Size)
	}
	for i := range t.Arrivals {
		if i == 0 {
			continue // the past, which was there at the start
		}
		size := t.Arrivals[i].Bytes
		most = max(most, size)
		if least == 0 || size < least {
			least = size
		}
	}
	if len(t.Arrivals) < 3 || largest == 0 || t.Encoded != "" {
		return 0
	}
	for size := 512; size <= 64<<10; size *= 2 {
		// Where events are small beside it, that is no chance.
		fits := least >= size && most < size+largest || most <= size && least > size-largest
		if fits && 16*largest <= size {
			return size
		}
	}
	return 0
}
