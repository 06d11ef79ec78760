package chart

import (
	"math"
	"testing"
	"time"
)

// TestRateKeepsSum adds at times of very different scales: memory stays bounded, and
// nothing is lost.
func TestRateKeepsSum(t *testing.T) {
	var r Rate
	n := 0.0
	last := time.Duration(0)
	for at := time.Millisecond; at < 1000*time.Hour; at += at / 7 {
		r.Add(at, 2)
		n += 2
		last = at
		if len(r.counts) > maxBuckets {
			t.Fatalf("%d buckets after %v", len(r.counts), at)
		}
	}
	for _, most := range []int{1, 7, 60, 240} {
		rates, width := r.PerSecond(last, most)
		if len(rates) > most {
			t.Errorf("%d parts, want at most %d", len(rates), most)
		}
		sum := 0.0
		for i, rate := range rates {
			length := width
			if i == len(rates)-1 {
				length = max(last-time.Duration(i)*width, width/2)
			}
			sum += rate * length.Seconds()
		}
		if math.Abs(sum-n) > 1e-6*n {
			t.Errorf("%d parts: the sum is %v, want %v", most, sum, n)
		}
	}
}

func TestRateEvenStream(t *testing.T) {
	var r Rate
	for i := range 1000 {
		r.Add(time.Duration(i)*10*time.Millisecond, 1)
	}
	rates, _ := r.PerSecond(10*time.Second, 40)
	for i, rate := range rates {
		if math.Abs(rate-100) > 1 {
			t.Errorf("part %d: %v/s, want 100/s", i, rate)
		}
	}
}

func TestLogBins(t *testing.T) {
	values := func(yield func(float64, int64) bool) {
		for v := 1.0; v <= 1e6; v *= 3 {
			if !yield(v, 2) {
				return
			}
		}
	}
	bins := LogBins(values, 1, 20)
	var n int64
	for i, b := range bins {
		n += b.Count
		if i > 0 && math.Abs(b.From-bins[i-1].To) > 1e-9*b.From {
			t.Errorf("bin %d begins at %v, the one before ends at %v", i, b.From, bins[i-1].To)
		}
	}
	if n != 26 || len(bins) > 20 {
		t.Errorf("%d values in %d bins, want 26 in at most 20", n, len(bins))
	}
	one := LogBins(func(yield func(float64, int64) bool) { yield(5, 3) }, 1, 20)
	if len(one) != 1 || one[0].Count != 3 {
		t.Errorf("one value: %+v", one)
	}
	if got := LogBins(func(func(float64, int64) bool) {}, 1, 20); got != nil {
		t.Errorf("no values: %+v", got)
	}
}

func TestSpark(t *testing.T) {
	values := []float64{0, 1, 4, 8, .001}
	if got, want := Spark(values, true), " ▁▄█▁"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Spark(values, false), " .=#."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Spark([]float64{0, 0}, true); got != "  " {
		t.Errorf("zeros: %q", got)
	}
}
