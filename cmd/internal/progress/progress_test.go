package progress

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// A screen is a terminal of one width that knows the few codes that a line uses.
type screen struct {
	mu     sync.Mutex // guards the fields below
	text   bytes.Buffer
	writes int
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// rows returns the text that stands on the terminal, with lines broken at its width.
func (s *screen) rows(width int) []string {
	rows := [][]rune{{}}
	column := 0
	text := s.String()
	for len(text) > 0 {
		if strings.HasPrefix(text, "\x1b[K") {
			rows[len(rows)-1] = rows[len(rows)-1][:column]
			text = text[len("\x1b[K"):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			column = 0
			continue
		case '\n':
			rows, column = append(rows, []rune{}), 0
			continue
		}
		if column == width {
			rows, column = append(rows, []rune{}), 0
		}
		last := &rows[len(rows)-1]
		*last = append((*last)[:min(column, len(*last))], r)
		column++
	}
	var list []string
	for _, row := range rows {
		list = append(list, strings.TrimRight(string(row), " "))
	}
	return list
}

func TestLine(t *testing.T) {
	for _, width := range []int{1, 10, 40, 80, 0} {
		synctest.Test(t, func(t *testing.T) {
			errs := &screen{}
			streams := &term.Streams{Err: errs, ErrTerminal: true, CanErase: true, Width: width}
			begun := time.Now()
			l := Start(t.Context(), streams, time.Second, func() string {
				return "deciding whether events are held, " + Seconds(10*time.Second-time.Since(begun)) + " more, " + time.Since(begun).String()
			})
			time.Sleep(999 * time.Millisecond)
			synctest.Wait()
			if errs.count() > 0 {
				t.Errorf("width %d: shown too early: %q", width, errs.String())
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			if errs.count() > 41 {
				t.Errorf("width %d: %d writes in 4 s", width, errs.count())
			}
			columns := width
			if width == 0 {
				columns = 200
			}
			if rows := errs.rows(columns); len(rows) != 1 {
				t.Errorf("width %d: several rows: %q", width, rows)
			} else if width >= 40 && !strings.HasPrefix(rows[0], "deciding whether events are held") {
				t.Errorf("width %d: %q", width, rows[0])
			}
			if width > 2 {
				errs.Write([]byte("^C")) // as the terminal echoes it
			}
			if rows := errs.rows(columns); len(rows) != 1 {
				t.Errorf("width %d: Ctrl-C makes several rows: %q", width, rows)
			}
			l.Above(func() error { _, err := errs.Write([]byte("a line that stays\n")); return err })
			l.Stop()
			if rows := errs.rows(columns); strings.ReplaceAll(strings.Join(rows, ""), " ", "") != "alinethatstays" {
				t.Errorf("width %d: left on the screen: %q", width, rows)
			}
		})
	}
}

// TestLineEndsWithContext: after an interrupt nothing is shown any more, even if the work
// goes on.
func TestLineEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := &screen{}
		ctx, cancel := context.WithCancel(t.Context())
		l := Start(ctx, &term.Streams{Err: errs, CanErase: true}, 0, func() string { return time.Now().String() })
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		n := errs.count()
		if rows := errs.rows(200); n == 0 || strings.Join(rows, "") != "" {
			t.Errorf("%d writes, left on the screen: %q", n, rows)
		}
		time.Sleep(time.Second)
		l.Above(func() error { return nil })
		l.Stop()
		if errs.count() != n {
			t.Error("drawn after the interrupt")
		}
	})
}

func TestNoTerminal(t *testing.T) {
	l := Start(t.Context(), &term.Streams{Err: &screen{}, ErrTerminal: true}, 0, func() string { t.Error("asked for a text"); return "" })
	if l != nil {
		t.Error("a line without a terminal that can erase it")
	}
	l.Above(func() error { return nil })
	l.Stop()
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		part    float64
		unicode bool
		want    string
	}{{0, false, "[........]"}, {.5, false, "[####....]"}, {2, false, "[########]"}, {.25, true, "██░░░░░░"}, {-1, true, "░░░░░░░░"}} {
		if got := Bar(test.part, 8, test.unicode); got != test.want {
			t.Errorf("%v: got %s, want %s", test.part, got, test.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 1: "1s", 59*time.Second + 1: "1m00s", 125 * time.Second: "2m05s", 2 * time.Hour: "2h00m"} {
		if got := Seconds(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
