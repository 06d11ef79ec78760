package cli

import (
	"testing"
	"time"
)

// FuzzValues reads values of flags: accepted ones are within bounds.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"64k", "9999999999g", "-1", "0", "1e3", "5xx,429", "20%", "1.5", "500ms", "9223372036854775807", "NaN", "Inf", "١k", "k", "5x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size ByteSize
		if err := size.Set(text); err == nil && (size <= 0 || size > maxSize) {
			t.Errorf("%q is taken for %d bytes", text, size)
		}
		var wait Seconds
		if err := wait.Set(text); err == nil && wait < 0 {
			t.Errorf("%q is taken for %v", text, time.Duration(wait))
		}
	})
}
