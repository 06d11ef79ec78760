package weight

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

// TestOf compares weights with the memory that the values take.
func TestOf(t *testing.T) {
	const count = 100_000
	for name, text := range map[string]string{
		"numbers": "[" + strings.Repeat("1,", count) + "1]",
		"texts":   "[" + strings.Repeat(`"`+strings.Repeat("x", 100)+`",`, count) + "1]",
		"lists":   "[" + strings.Repeat("[1],", count) + "1]",
		"objects": "[" + strings.Repeat(`{"a":1},`, count) + "1]",
		"text":    `"` + strings.Repeat("x", 1<<20) + `"`,
	} {
		before := heap()
		var value any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		d = nil
		took := heap() - before
		if got := Of(value); got < took/4 || got > 4*took {
			t.Errorf("%s: %d bytes, and it takes %d", name, got, took)
		}
		runtime.KeepAlive(value)
		runtime.KeepAlive(text)
	}
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
