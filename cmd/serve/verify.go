package servecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/curl"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/internal/coding"
	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/drift"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

// A verifier sends recorded requests to a service, and compares the answers.
type verifier struct {
	streams   *term.Streams
	json      bool
	base      *url.URL
	transport http.RoundTripper
	header    http.Header // of each request, in place of the recorded one

	secrets redact.Secrets // of the requests, which the other side may repeat

	asked, drifted, failed int
	denied                 bool // for want of a key
}

// verified is the result of a recording, printed as a line of JSON.
type verified struct {
	Name     string          `json:"name"`
	Method   string          `json:"method,omitempty"`
	Path     string          `json:"path,omitempty"`
	Result   string          `json:"result"` // ok, drift, skipped or failed
	Why      string          `json:"why,omitempty"`
	Findings []drift.Finding `json:"findings"`
}

// The results of a recording.
const (
	resultOK      = "ok"
	resultDrift   = "drift"
	resultSkipped = "skipped"
	resultFailed  = "failed"
)

// maxAnswer bounds the time of an answer that is compared.
const maxAnswer = 5 * time.Minute

// verify sends the requests of a tape to the service of --verify, one after the other.
func verify(ctx context.Context, streams *term.Streams, opts *options) (err error) {
	v := &verifier{streams: streams, json: opts.Print == "json"}
	if v.base, err = curl.ParseURL(opts.Verify); err != nil {
		return cli.Usage(fmt.Errorf("--verify: %w", err))
	}
	if v.transport, err = opts.Curl.Transport(); err != nil {
		return cli.Usage(err)
	}
	if v.header, err = opts.Curl.Header(); err != nil {
		return cli.Usage(fmt.Errorf("--upstream-header: %w", err))
	}
	v.secrets.Header(v.header)
	v.secrets.URL(v.base)
	tell := func(line string) { fmt.Fprintf(streams.Err, "ssectl: %s\n", output.Safe(line)) }
	questions, err := opts.questions(streams, tell)
	if err != nil {
		return cli.Usage(err)
	}
	for _, q := range questions {
		result, err := v.one(ctx, q)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := v.print(result); err != nil {
			return err
		}
	}
	hint := ""
	if v.denied {
		hint = "give the key with --upstream-header: tapes have none"
	}
	failed := fmt.Errorf("%d of %s did not come", v.failed, count(v.asked, "answer"))
	switch {
	case v.drifted > 0:
		if v.failed > 0 {
			tell(failed.Error())
		}
		tell(fmt.Sprintf("%d of %s drifted", v.drifted, count(v.asked, "answer")))
		return cli.Fail(cli.ExitFailed, cli.ErrReported, hint)
	case v.failed > 0:
		return cli.Fail(cli.ExitNoRun, failed, hint)
	case v.asked == 0:
		return cli.Usage(fmt.Errorf("%s: there is no recording in it that can be asked", opts.Replay))
	}
	tell(fmt.Sprintf("%s as recorded", count(v.asked, "answer")))
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A question is a request that is asked again.
type question struct {
	name     string
	request  *tape.Request // nil if it is not known
	why      string        // it is not known
	recorded func() (*drift.Answer, error)
}

// questions returns those of a directory: its answers that were written by hand, and its
// recordings.
func (opts *options) questions(streams *term.Streams, note func(string)) (list []question, err error) {
	service, err := opts.service(streams)
	if err != nil {
		return nil, err
	}
	answers, err := opts.answers(service, note)
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		list = append(list, fakeQuestion(a, service))
	}
	all, err := tape.Exchanges(opts.Replay, note)
	for _, e := range all {
		list = append(list, question{name: e.Name, request: e.Request, recorded: func() (*drift.Answer, error) { return recordedAnswer(e) }})
	}
	return list, err
}

// one asks one question.
func (v *verifier) one(ctx context.Context, q question) (result verified, err error) {
	result = verified{Name: q.name, Findings: []drift.Finding{}}
	ctx, cancel := context.WithTimeout(ctx, maxAnswer)
	defer cancel()
	var request *http.Request
	why := q.why
	if q.request != nil {
		result.Method, result.Path = q.request.Method, q.request.Path
		request, why = v.request(ctx, q.request)
	}
	if request == nil {
		result.Result, result.Why = resultSkipped, why
		return result, nil
	}
	recorded, err := q.recorded()
	if err != nil {
		return result, cli.Usage(fmt.Errorf("%s: %w", q.name, err))
	}
	v.asked++
	response, err := v.transport.RoundTrip(request)
	if err != nil {
		v.failed++
		result.Result, result.Why = resultFailed, httpx.WithoutURL(err).Error()
		return result, nil
	}
	defer response.Body.Close()
	events := 0
	if recorded.Cut != "" {
		events = max(recorded.Events(), 1) // the rest was never seen
	}
	now, err := drift.Read(response, events)
	if err != nil {
		v.failed++
		result.Result, result.Why = resultFailed, err.Error()
		return result, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		now.Cut = fmt.Sprintf("not there after %v", maxAnswer)
	}
	if isRefusal(recorded.Status, now.Status) {
		v.failed++
		v.denied = v.denied || now.Status == http.StatusUnauthorized || now.Status == http.StatusForbidden
		result.Result, result.Why = resultFailed, refusal(now)
		return result, nil
	}
	result.Result = resultOK
	result.Findings = append(result.Findings, drift.Compare(recorded, now)...)
	for _, f := range result.Findings {
		if f.Drift && result.Result == resultOK {
			result.Result = resultDrift
			v.drifted++
		}
	}
	return result, nil
}

// isRefusal reports whether a service does not answer for now, or not for the key it was
// given, where it did on tape. The statuses tell nothing of the answer that a client would get.
func isRefusal(recorded, now int) bool {
	if recorded/100 != 2 {
		return false
	}
	switch now {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return now >= http.StatusInternalServerError
}

// refusal describes a refusal in the words of the service.
func refusal(now *drift.Answer) string {
	text := strings.TrimSpace(fmt.Sprintf("the service answers %d %s", now.Status, http.StatusText(now.Status)))
	if now.Message != "" {
		text += ": " + now.Message
	}
	return text
}

// request returns the request of a recording for the service, nil and the reason where
// it is not known.
func (v *verifier) request(ctx context.Context, r *tape.Request) (request *http.Request, why string) {
	switch {
	case r.Method == "" || r.Path == "":
		return nil, "it names no method and path"
	case r.Body.Size > 0:
		return nil, "its body is not on tape as a whole"
	}
	base := url.URL{Scheme: v.base.Scheme, Host: v.base.Host, Path: strings.TrimSuffix(v.base.Path, "/"), RawPath: strings.TrimSuffix(v.base.RawPath, "/")}
	target := base.String() + r.Path
	if query := knownQuery(r.Query); query != "" {
		target += "?" + query
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, target, bytes.NewReader(r.Body.Bytes))
	if err != nil {
		return nil, err.Error()
	}
	if len(r.Body.Bytes) == 0 {
		request.Body, request.ContentLength = http.NoBody, 0
	}
	for name, values := range r.Header {
		for _, value := range values {
			if !strings.Contains(value, redact.Placeholder) { // the secrets come from --upstream-header
				request.Header.Add(name, value)
			}
		}
	}
	if r.Body.JSON != nil && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept-Encoding", "identity")
	if user := v.base.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	for name, values := range v.header {
		switch {
		case name == "Host" && len(values) > 0:
			request.Host = values[0]
		default:
			request.Header[name] = values
		}
	}
	return request, ""
}

// knownQuery returns a query without the parameters whose values are not on tape.
func knownQuery(query string) string {
	var known []string
	for part := range strings.SplitSeq(query, "&") {
		if _, value, _ := strings.Cut(part, "="); value != redact.Placeholder {
			known = append(known, part)
		}
	}
	return strings.Join(known, "&")
}

// recordedAnswer returns the shape of a recorded answer.
func recordedAnswer(e *tape.Exchange) (*drift.Answer, error) {
	a := drift.New(e.Response.Status, e.Response.Header)
	defer a.Done()
	if e.End != exchange.Whole {
		a.Cut = string(e.End)
	}
	body := a.Body
	if name := coding.Of(e.Response.Header); name != "" { // a tape has none, but one may be written by hand
		body = func([]byte) error { return fmt.Errorf("the body has the coding %s", name) }
	}
	return a, e.Play(func(r *record.Record) error { a.Event(r); return nil }, body)
}

// print prints the result of a recording.
func (v *verifier) print(r verified) error {
	// The names of members and of events are the other side's, and so are its messages.
	r.Why = v.secrets.Clean(r.Why)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Place, f.Recorded, f.Now = v.secrets.Clean(f.Place), v.secrets.Clean(f.Recorded), v.secrets.Clean(f.Now)
	}
	if v.json {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return writeTo(v.streams.Out, string(text)+"\n")
	}
	line := fmt.Sprintf("%-7s  %s", r.Result, r.Name)
	if r.Method != "" {
		line += fmt.Sprintf("  %s %s", r.Method, r.Path)
	}
	if r.Why != "" {
		line += ": " + r.Why
	}
	text := output.Safe(line) + "\n"
	for _, f := range r.Findings {
		mark := "new"
		if f.Drift {
			mark = "drift"
		}
		text += fmt.Sprintf("  %-5s  %s\n", mark, output.Safe(f.String()))
		if f.Hint != "" {
			text += fmt.Sprintf("  hint   %s\n", f.Hint)
		}
	}
	return writeTo(v.streams.Out, text)
}

func writeTo(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
