package diagcmd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

func TestWorkLine(t *testing.T) {
	for _, test := range []struct {
		streams term.Streams
		silent  bool
		want    []string // in the order in which they are shown
	}{
		{term.Streams{CanErase: true}, false, []string{"[..........] at most 12s more, connecting", "[###.......] at most 9s more, are events held?", "[##########] a moment more, are events held?"}},
		{term.Streams{CanErase: true, Unicode: true, Width: 30}, false, []string{"░░░░░░░░░░ at most 12s more", "███░░░░░░░ at most 9s more,", "██████████ a moment more, a"}},
		{term.Streams{CanErase: true}, true, nil},
		{term.Streams{ErrTerminal: true}, false, nil}, // one that cannot erase
	} {
		synctest.Test(t, func(t *testing.T) {
			var errs bytes.Buffer
			streams := test.streams
			streams.Err = &errs
			w := &work{streams: &streams, silent: test.silent}
			failed := errors.New("failed")
			_, err := w.run(t.Context(), func() (*diag.Report, error) {
				w.stage("connecting", 12*time.Second)
				time.Sleep(3 * time.Second)
				w.stage("are events held?", 12*time.Second)
				time.Sleep(10 * time.Second)
				return nil, failed
			})
			if err != failed {
				t.Errorf("got %v", err)
			}
			text := errs.String()
			if test.want == nil && text != "" {
				t.Errorf("%+v: got %q", test, text)
			}
			for _, want := range test.want {
				_, after, found := strings.Cut(text, "\r"+want+"\x1b[K")
				if !found {
					t.Fatalf("%+v: no %q in %q", test, want, errs.String())
				}
				text = after
			}
			if test.want != nil && !strings.HasSuffix(text, "\r\x1b[K") {
				t.Errorf("%+v: left on the screen: %q", test, text)
			}
		})
	}
}

func TestWorkPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		w := &work{streams: &term.Streams{Err: &errs, CanErase: true}}
		ctx, cancel := context.WithCancel(t.Context())
		stop := w.pause(ctx, 3, time.Now().Add(5*time.Minute))
		time.Sleep(time.Second)
		cancel()
		stop()
		if got := errs.String(); !strings.Contains(got, "round 3 is done, the next one begins in 4m59s") || !strings.HasSuffix(got, "\r\x1b[K") {
			t.Errorf("got %q", got)
		}
	})
}
