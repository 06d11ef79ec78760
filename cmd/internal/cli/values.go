package cli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ssectl/ssectl/internal/units"
)

// A choice is a flag with a few possible values.
type choice struct {
	value   *string
	choices []string
}

// Choice returns a flag that sets value to one of the choices.
func Choice(value *string, choices ...string) pflag.Value { return &choice{value, choices} }

// Set implements pflag.Value.
func (c *choice) Set(text string) error {
	if !slices.Contains(c.choices, text) {
		return fmt.Errorf("want one of %s", strings.Join(c.choices, ", "))
	}
	*c.value = text
	return nil
}

func (c *choice) String() string { return *c.value }

// Type implements pflag.Value: the choices stand in the help as the value.
func (c *choice) Type() string { return strings.Join(c.choices, "|") }

// A text is a flag with any value. Its default is shown without quotes, as those
// of other flags are.
type text struct{ value *string }

// Text returns a flag that sets value, which has the default.
func Text(value *string, standard string) pflag.Value {
	*value = standard
	return text{value}
}

// Set implements pflag.Value.
func (t text) Set(s string) error {
	*t.value = s
	return nil
}

func (t text) String() string { return *t.value }

// Type implements pflag.Value.
func (t text) Type() string { return "text" }

// maxSize is the largest size that a flag takes, in bytes.
const maxSize = math.MaxInt >> 8

// A ByteSize is a number of bytes, written as 16k, 8m or 1g.
type ByteSize int

// Set implements pflag.Value.
func (s *ByteSize) Set(text string) error {
	n, err := units.ParseSize(text)
	if err != nil || n == 0 || n > maxSize {
		return fmt.Errorf("want a size such as 64k or 16m")
	}
	*s = ByteSize(n)
	return nil
}

func (s *ByteSize) String() string {
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
func (s *ByteSize) Type() string { return "size" }

// Seconds is a duration in seconds, as curl takes it, or in Go's form.
type Seconds time.Duration

// Set implements pflag.Value.
func (s *Seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		if d, err = time.ParseDuration(text + "s"); err != nil {
			return fmt.Errorf("want seconds, or a duration such as 500ms or 2m")
		}
	}
	if d < 0 {
		return fmt.Errorf("want a duration of 0 or more")
	}
	*s = Seconds(d)
	return nil
}

func (s *Seconds) String() string {
	if *s == 0 {
		return "" // pflag shows no default then
	}
	return Short(time.Duration(*s))
}

// Type implements pflag.Value.
func (s *Seconds) Type() string { return "duration" }

// Short returns a duration as short as it may be written: 1m for 1m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
