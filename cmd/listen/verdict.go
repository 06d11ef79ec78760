package listencmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/pkg/listen"
)

// verdict turns the reason why the loop ended into the error of the run.
func (s *session) verdict(parent context.Context, why error) error {
	var (
		refused *listen.ResponseError
		timeout *listen.TimeoutError
		gaveUp  *listen.GaveUpError
		lost    *listen.LostError
		cut     *listen.UnfinishedError
		expired *listen.ExpiredError
	)
	unmet, began := s.hasEnd(), s.source.Stats().Connections > 0
	switch {
	case why == errCount, why == errUntil:
		return nil
	case errors.Is(why, errFailIf), errors.Is(why, errFailedAs), errors.Is(why, errBrokenAs):
		return cli.Fail(cli.ExitFailed, why, "")
	case parent.Err() != nil:
		return cli.Fail(cli.ExitInterrupted, cli.ErrReported, "")
	case cli.IsClosedPipe(why):
		return nil
	case errors.As(why, &refused) && refused.Status == http.StatusAccepted && s.notifies:
		s.progress.line(nil, "accepted, 202: a notification has no other answer")
		return nil
	case errors.As(why, &expired):
		return cli.Fail(cli.ExitNotStream, fmt.Errorf("%s: %w%s", s.target(), why, bodyOf(expired.Err)), s.expiredHint())
	case errors.As(why, &refused):
		return cli.Fail(cli.ExitNotStream, fmt.Errorf("%s: %w%s", s.target(), why, bodyOf(refused)), s.refusedHint(refused))
	case errors.Is(why, errMaxTime) || s.ctx.Err() != nil:
		switch {
		case unmet && began:
			return cli.Fail(cli.ExitFailed, errors.New("--max-time passed before an event matched --until"), "")
		case !began:
			return cli.Fail(cli.ExitTimeout, fmt.Errorf("%s: no stream within --max-time %v", s.target(), time.Duration(s.opts.MaxTime)), "")
		}
		return nil
	case errors.As(why, &timeout):
		return cli.Fail(cli.ExitTimeout, fmt.Errorf("%s: %w", s.target(), why), "")
	case unmet && (why == io.EOF || errors.As(why, &cut) || began && (errors.As(why, &gaveUp) || errors.As(why, &lost))):
		return cli.Fail(cli.ExitFailed, s.early(why), s.cutHint(why))
	case why == io.EOF:
		return nil
	case errors.As(why, &cut) && s.isWebSocket():
		return cli.Fail(cli.ExitNoRun, fmt.Errorf("%s: %w", s.target(), why), "")
	case errors.As(why, &cut):
		return cli.Fail(cli.ExitNoRun, fmt.Errorf("%s: %w", s.target(), why), "the answer was cut, or the server leaves out the blank line after its last event")
	}
	return cli.Fail(cli.ExitNoRun, fmt.Errorf("%s: %w", s.target(), why), s.unreachedHint(why))
}

// early returns the error of a stream that ended too soon.
func (s *session) early(why error) error {
	message := "the stream ended before an event matched --until"
	if s.opts.As != "" && s.opts.Until == "" {
		message = "the stream ended before its end mark for --as " + s.opts.As
	}
	if n := s.source.Unfinished(); n > 0 {
		message += fmt.Sprintf(", %d bytes of an unfinished event were dropped", n)
	}
	var (
		cut  *listen.UnfinishedError
		lost *listen.LostError
	)
	switch {
	case why == io.EOF || errors.As(why, &cut):
		return errors.New(message)
	case errors.As(why, &lost):
		return fmt.Errorf("%s: %w", message, shortError(lost.Err)) // the message has the bytes
	}
	return fmt.Errorf("%s: %w", message, why)
}

// reason is why a run ended, for the summary and recordings.
func (s *session) reason(why error) string {
	switch {
	case why == io.EOF && isFile(s.opts.Source):
		return "end of input"
	case why == io.EOF:
		return "the server ended the stream"
	case why == errUntil && s.opts.As != "":
		return "complete"
	case errors.Is(why, errMaxTime):
		return errMaxTime.Error()
	case s.ctx.Err() != nil:
		return "interrupted"
	case cli.IsClosedPipe(why):
		return "the output was closed"
	}
	return why.Error()
}
