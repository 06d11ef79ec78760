// Package progress shows on a terminal that long work goes on: one line on standard
// error, written over as the work proceeds and erased at its end. Where standard error is
// no terminal, or one that cannot erase, nothing is shown.
package progress

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// interval is the time between two drawings of a line.
const interval = 100 * time.Millisecond

// A Line is shown until it is stopped, or until its context ends: a program that takes
// long to stop, or is killed meanwhile, leaves nothing on the screen. A nil Line shows
// nothing.
type Line struct {
	streams *term.Streams
	text    func() string
	cancel  context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex // guards what follows, and the terminal
	shown string
	ended bool
}

// Start shows a line after a delay, and asks for its text again and again. It returns nil
// where no line can be shown.
func Start(ctx context.Context, streams *term.Streams, delay time.Duration, text func() string) *Line {
	if !streams.CanErase {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Line{streams: streams, text: text, cancel: cancel, done: make(chan struct{})}
	go l.run(ctx, delay)
	return l
}

func (l *Line) run(ctx context.Context, delay time.Duration) {
	defer close(l.done)
	wait := time.NewTimer(delay)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			l.mu.Lock()
			l.ended = true
			l.erase()
			l.mu.Unlock()
			return
		case <-wait.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
			wait.Reset(interval)
		}
	}
}

// echo is the number of columns that a terminal writes for Ctrl-C, as ^C.
const echo = 2

// draw shows the text, cut to the width that the terminal has now. The last columns stay
// free: some terminals go to the next line with the last, and a line that Ctrl-C makes two
// cannot be erased.
func (l *Line) draw() {
	text := []rune(l.text())
	if columns := l.streams.Columns(); columns > 0 && len(text) > max(columns-1-echo, 0) {
		text = text[:max(columns-1-echo, 0)]
	}
	if shown := string(text); shown != l.shown {
		l.shown = shown
		fmt.Fprint(l.streams.Err, "\r"+shown+"\x1b[K")
	}
}

func (l *Line) erase() {
	if l.shown != "" {
		l.shown = ""
		fmt.Fprint(l.streams.Err, "\r\x1b[K")
	}
}

// Above erases the line, has f write something that stays, and shows the line below it
// again.
func (l *Line) Above(f func() error) error {
	if l == nil {
		return f()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	err := f()
	if !l.ended {
		l.draw()
	}
	return err
}

// Stop erases the line for good.
func (l *Line) Stop() {
	if l != nil {
		l.cancel()
		<-l.done
	}
}

// Bar returns a bar of a number of columns for a part from 0 to 1.
func Bar(part float64, columns int, unicode bool) string {
	full := int(min(max(part, 0), 1)*float64(columns) + .5)
	if unicode {
		return strings.Repeat("█", full) + strings.Repeat("░", columns-full)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", columns-full) + "]"
}

// Seconds returns a time for a line that changes: whole seconds, as 12s or 2m05s.
func Seconds(d time.Duration) string {
	s := int((d + time.Second - 1) / time.Second)
	if s < 60 {
		return fmt.Sprintf("%ds", s)
	}
	if s < 3600 {
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}
