package seen

import (
	"math"
	"slices"
	"time"
)

func Median[T int | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Percentile returns the value that the share p of all are not above.
func Percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}

func Deviation(values []float64) float64 {
	m, sum := Mean(values), 0.0
	for _, v := range values {
		sum += (v - m) * (v - m)
	}
	return math.Sqrt(sum / float64(max(1, len(values))))
}

// Variation is the coefficient of variation: deviation by mean.
func Variation(values []float64) float64 {
	if m := Mean(values); m != 0 {
		return Deviation(values) / m
	}
	return 0
}
