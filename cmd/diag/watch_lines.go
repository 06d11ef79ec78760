package diagcmd

import (
	"fmt"
	"io"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// The kinds of lines.
const (
	kindRound    = "round"    // the first round that tested, or the first one again
	kindChange   = "change"   // of the verdict of a check
	kindUntested = "untested" // nothing could be tested
)

// A line reports a round of --watch, or a change of a verdict in it. As JSON it is
// interface: keys keep their names and meanings.
type line struct {
	Kind  string    `json:"kind"`
	Time  time.Time `json:"time"` // the end of the round
	Round int       `json:"round"`

	// Of a round.
	URL        string        `json:"url,omitempty"` // with secrets redacted
	Outcome    diag.Status   `json:"outcome,omitempty"`
	DurationMS int64         `json:"duration_ms,omitempty"`
	Summary    *diag.Summary `json:"summary,omitempty"`

	// Of a change.
	Check string      `json:"check,omitempty"`
	Group string      `json:"group,omitempty"`
	From  diag.Status `json:"from,omitempty"` // "" in the first round
	To    diag.Status `json:"to,omitempty"`

	Phase   string `json:"phase,omitempty"` // in which the test failed
	Message string `json:"message,omitempty"`
}

func roundLine(r *diag.Report, at time.Time, round int) line {
	return line{Kind: kindRound, Time: at, Round: round, URL: r.URL, Outcome: r.Outcome, DurationMS: r.DurationMS, Summary: &r.Summary}
}

// jsonLines returns a function that writes lines as JSON.
func jsonLines(w io.Writer) func(line) error {
	return func(l line) error {
		l.Time = l.Time.UTC().Round(time.Millisecond)
		text, err := output.JSONLine(l)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
}

// textLines returns a function that writes lines for people.
func textLines(w io.Writer, colors term.Colors) func(line) error {
	return func(l line) error {
		_, err := fmt.Fprintf(w, "%s  %s\n", colors.Faint(l.Time.UTC().Format(time.RFC3339)), l.text(colors))
		return err
	}
}

func (l *line) text(colors term.Colors) string {
	switch l.Kind {
	case kindRound:
		took := time.Duration(l.DurationMS) * time.Millisecond
		return fmt.Sprintf("%s  %s, in %v", colors.Strong(output.Safe(l.URL)), output.SummaryLine(l.Summary), took.Round(100*time.Millisecond))
	case kindUntested:
		return colors.Bad("could not test") + output.Safe(": "+l.Phase+": "+l.Message)
	}
	verdict := output.StatusStyle(colors, l.To)(string(l.To))
	if l.From != "" {
		verdict = string(l.From) + " → " + verdict
	}
	return fmt.Sprintf("%s  %s  %s", colors.Strong(l.Check), verdict, output.Safe(l.Message))
}
