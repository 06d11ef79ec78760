package serve_test

import (
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
)

func TestParsePace(t *testing.T) {
	for text, want := range map[string]serve.Pace{
		"":         {},
		"instant":  {},
		"recorded": {Recorded: true},
		"500ms":    {Every: 500 * time.Millisecond},
		"0s":       {},
		"100/s":    {Every: 10 * time.Millisecond},
		"0.5/s":    {Every: 2 * time.Second},
		"90/m":     {Every: time.Minute / 90},
		"1/h":      {Every: time.Hour},
	} {
		if got, err := serve.ParsePace(text); got != want || err != nil {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"fast", "-1s", "0/s", "-5/s", "5/d", "/s", "NaN/s", "Inf/s", "1e99/s", "500", "1/s/s"} {
		if got, err := serve.ParsePace(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}
