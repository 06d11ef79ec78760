package cmd

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A choiceValue is a flag with a few possible values.
type choiceValue struct {
	value   *string
	choices []string
}

func choice(value *string, choices ...string) *choiceValue { return &choiceValue{value, choices} }

// Set implements pflag.Value.
func (c *choiceValue) Set(text string) error {
	if !slices.Contains(c.choices, text) {
		return fmt.Errorf("want one of %s", strings.Join(c.choices, ", "))
	}
	*c.value = text
	return nil
}

func (c *choiceValue) String() string { return *c.value }

// Type implements pflag.Value.
func (c *choiceValue) Type() string { return "choice" }

// maxSize is the largest size that a flag takes, in bytes.
const maxSize = math.MaxInt >> 8

// byteSize is a number of bytes, written as 16k, 8m or 1g.
type byteSize int

// Set implements pflag.Value.
func (s *byteSize) Set(text string) error {
	digits, factor := strings.ToLower(text), 1
	for suffix, f := range map[string]int{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30} {
		if number, ok := strings.CutSuffix(digits, suffix); ok {
			digits, factor = number, f
			break
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || n > maxSize/factor {
		return fmt.Errorf("want a size such as 64k or 16m")
	}
	*s = byteSize(n * factor)
	return nil
}

func (s *byteSize) String() string {
	n := int(*s)
	if n == 0 {
		return "" // pflag shows no default then
	}
	for _, suffix := range []string{"", "k", "m"} {
		if n == 0 || n%1024 != 0 {
			return strconv.Itoa(n) + suffix
		}
		n /= 1024
	}
	return strconv.Itoa(n) + "g"
}

// Type implements pflag.Value.
func (s *byteSize) Type() string { return "size" }

// parseStatuses reads a list of statuses such as 429,503,5xx.
func parseStatuses(list string) (func(status int) bool, error) {
	if list == "" {
		return nil, nil
	}
	var patterns []string
	for pattern := range strings.SplitSeq(strings.ToLower(list), ",") {
		pattern = strings.TrimSpace(pattern)
		digits := strings.TrimSuffix(pattern, "xx")
		n, err := strconv.Atoi(digits)
		if err != nil || len(pattern) != 3 || n < 1 {
			return nil, fmt.Errorf("--retry-on: %q is no status, want 503 or 5xx", pattern)
		}
		patterns = append(patterns, digits)
	}
	return func(status int) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(strconv.Itoa(status), p) })
	}, nil
}
