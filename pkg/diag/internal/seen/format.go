package seen

import (
	"fmt"
	"time"
)

// RoundDuration shows a time with the digits that matter.
func RoundDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + RoundDuration(-d)
	case d < 10*time.Millisecond && d > 0:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// RoundSize shows a size with the digits that matter.
func RoundSize(n int) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// Milliseconds is a time as reports give it in numbers.
func Milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
