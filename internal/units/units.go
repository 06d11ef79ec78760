// Package units reads and writes quantities as people do.
package units

import (
	"fmt"
	"math"
	"strconv"
)

// ParseSize reads a size in bytes: a whole number, or one with k, m or g after it
// for the powers of 1024, in either case.
func ParseSize(text string) (int64, error) {
	digits, shift := text, 0
	if n := len(text); n > 0 {
		switch text[n-1] | 0x20 {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		}
		if shift > 0 {
			digits = text[:n-1]
		}
	}
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 || size > math.MaxInt64>>shift {
		return 0, fmt.Errorf(`size %q: want bytes, as "512", "16k" or "8m"`, text)
	}
	return size << shift, nil
}

// Size returns a size in bytes with the digits that matter.
func Size(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
