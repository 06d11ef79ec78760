package chart

import (
	"math"
	"strings"
)

// The levels of Spark, from nothing to the largest value.
var (
	blocks = []rune(" ▁▂▃▄▅▆▇█")
	plain  = []rune(" .:-=+*%#")
)

// Spark draws values as a line of blocks, one column each, or of plain characters where
// a terminal has no blocks. The largest value is a whole block, a value above 0 never
// nothing.
func Spark(values []float64, unicode bool) string {
	levels := plain
	if unicode {
		levels = blocks
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var line strings.Builder
	for _, v := range values {
		level := 0
		if v > 0 {
			level = max(1, int(math.Round(v/most*float64(len(levels)-1))))
		}
		line.WriteRune(levels[level])
	}
	return line.String()
}
