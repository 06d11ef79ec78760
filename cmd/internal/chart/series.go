package chart

import (
	"fmt"
	"iter"
	"math"
	"time"
)

// A Rate counts over time in bounded memory: when there are too many buckets, two by two
// become one. The zero value is ready.
type Rate struct {
	width  time.Duration
	counts []float64
}

const (
	maxBuckets  = 240
	firstBucket = 50 * time.Millisecond
)

// Add counts n at a time since the start.
func (r *Rate) Add(at time.Duration, n float64) {
	if r.width == 0 {
		r.width = firstBucket
	}
	at = max(at, 0)
	for at/r.width >= maxBuckets {
		merged := (len(r.counts) + 1) / 2
		for i := range merged {
			sum := r.counts[2*i]
			if 2*i+1 < len(r.counts) {
				sum += r.counts[2*i+1]
			}
			r.counts[i] = sum
		}
		r.counts = r.counts[:merged]
		r.width *= 2
	}
	for i := int(at / r.width); len(r.counts) <= i; {
		r.counts = append(r.counts, 0)
	}
	r.counts[at/r.width] += n
}

// PerSecond returns the rates until a time, in parts of equal length, and that length.
// There are at most so many parts, and the last is up to half a part longer or shorter.
func (r *Rate) PerSecond(until time.Duration, most int) (rates []float64, width time.Duration) {
	if r.width == 0 || most < 1 {
		return nil, 0
	}
	all := max(len(r.counts), int((until+r.width-1)/r.width))
	group := (all + most - 1) / most
	width = time.Duration(group) * r.width
	var sums []float64
	for i := 0; i < all; i += group {
		sum := 0.0
		for j := i; j < min(i+group, len(r.counts)); j++ {
			sum += r.counts[j]
		}
		sums = append(sums, sum)
	}
	// The rate of a moment is none: a rest that is short is part of the one before.
	if n := len(sums); n > 1 && until-time.Duration(n-1)*width < width/2 {
		sums[n-2] += sums[n-1]
		sums = sums[:n-1]
	}
	for i, sum := range sums {
		length := width
		if i == len(sums)-1 {
			length = max(until-time.Duration(i)*width, width/2)
		}
		rates = append(rates, sum/length.Seconds())
	}
	return rates, width
}

// A Bin is a part of a range with the number of values in it.
type Bin struct {
	From, To float64
	Count    int64
}

// LogBins sorts values with their counts into at most so many bins of equal width on a
// logarithmic scale. Values below least count as it.
func LogBins(values iter.Seq2[float64, int64], least float64, most int) []Bin {
	low, high := math.Inf(1), math.Inf(-1)
	for v, n := range values {
		if n > 0 {
			v = max(v, least)
			low, high = min(low, v), max(high, v)
		}
	}
	if high < low {
		return nil
	}
	// No finer than a tenth of the value.
	span := math.Log(high / low)
	count := max(1, min(most, int(math.Ceil(span/math.Log(1.1)))))
	bins := make([]Bin, count)
	edge := func(i int) float64 { return low * math.Exp(span*float64(i)/float64(count)) }
	for i := range bins {
		bins[i].From, bins[i].To = edge(i), edge(i+1)
	}
	for v, n := range values {
		if n > 0 {
			i := 0
			if span > 0 {
				i = int(math.Log(max(v, least)/low) / span * float64(count))
			}
			bins[min(i, count-1)].Count += n
		}
	}
	return bins
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Histogram draws bins. The noun names the values that are counted, show formats a value.
func Histogram(title, noun string, bins []Bin, show func(float64) string) *Figure {
	f := &Figure{Title: title, Label: title + ", a histogram. Arrow keys move along its bars.", Axis: Axis{To: float64(max(1, len(bins))), Ticks: []Tick{}}}
	row := Row{}
	for i, b := range bins {
		x := float64(i)
		row.Bars = append(row.Bars, Bar{x, x + 1, float64(b.Count)})
		row.Stops = append(row.Stops, Stop{x + .5, fmt.Sprintf("%s to %s: %s", show(b.From), show(b.To), plural(b.Count, noun))})
		if every := max(1, (len(bins)+5)/6); i%every == 0 {
			f.Axis.Ticks = append(f.Axis.Ticks, Tick{x, show(b.From)})
		}
	}
	f.Rows = []Row{row}
	return f
}
