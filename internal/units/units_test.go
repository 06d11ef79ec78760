package units

import (
	"math"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "16k": 16 << 10, "16K": 16 << 10, "8m": 8 << 20, "1g": 1 << 30, "8589934591g": 8589934591 << 30,
		"": -1, "k": -1, "-1": -1, "1.5m": -1, "1kb": -1, "1 k": -1, "8589934592g": -1, "9223372036854775808": -1,
	} {
		got, err := ParseSize(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	if got, err := ParseSize("9223372036854775807"); got != math.MaxInt64 || err != nil {
		t.Errorf("largest: %d, %v", got, err)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 10239: "10239 bytes", 10 << 10: "10 KiB", 10<<20 - 1: "10239 KiB", 11 << 20: "11 MiB", 1 << 40: "1024 GiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}
