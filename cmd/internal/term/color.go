package term

import (
	"errors"

	"github.com/fatih/color"
)

// A Style dresses a text in color, or leaves it as it is.
type Style func(string) string

// Colors are the styles of one output, named by their meaning.
type Colors struct {
	Strong Style // the most important parts
	Faint  Style // parts to pass over: times, punctuation
	Good   Style
	Warn   Style
	Bad    Style
	Type   Style // an event type
	ID     Style // an event ID
	Key    Style // a key of JSON data, a header name
	Text   Style // a string of JSON data
}

// NewColors returns styles that color, or that do nothing.
func NewColors(on bool) Colors {
	style := func(attributes ...color.Attribute) Style {
		if !on {
			return func(s string) string { return s }
		}
		c := color.New(attributes...)
		c.EnableColor()
		return func(s string) string { return c.Sprint(s) }
	}
	return Colors{
		Strong: style(color.Bold),
		Faint:  style(color.Faint),
		Good:   style(color.FgGreen),
		Warn:   style(color.FgYellow),
		Bad:    style(color.FgRed, color.Bold),
		Type:   style(color.FgCyan),
		ID:     style(color.FgMagenta),
		Key:    style(color.FgBlue),
		Text:   style(color.FgGreen),
	}
}

// ColorMode is the value of a --color flag.
type ColorMode string

// The choices of a --color flag.
const (
	ColorAuto   ColorMode = "auto" // on a terminal, unless NO_COLOR is set
	ColorAlways ColorMode = "always"
	ColorNever  ColorMode = "never"
)

// Set implements pflag.Value.
func (m *ColorMode) Set(s string) error {
	switch ColorMode(s) {
	case ColorAuto, ColorAlways, ColorNever:
		*m = ColorMode(s)
		return nil
	}
	return errors.New("want one of auto, always, never")
}

func (m *ColorMode) String() string { return string(*m) }

// Type implements pflag.Value.
func (m *ColorMode) Type() string { return "auto|always|never" }

// ColorsFor returns the styles for an output that is a terminal or not.
func (s *Streams) ColorsFor(mode ColorMode, terminal bool) Colors {
	return NewColors(mode == ColorAlways || mode != ColorNever && terminal && !s.NoColor)
}
