package diagcmd

import (
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/pkg/diag"
)

// metrics hold the results of a watch for Prometheus. The methods of a nil pointer do
// nothing.
type metrics struct {
	url, version string
	every        time.Duration

	mu      sync.Mutex // guards the fields below
	rounds  map[diag.Status]int
	up      bool
	took    time.Duration
	at      time.Time
	checks  []checkState // of the last round that tested, in the order of its report
	changes map[string]int
}

type checkState struct {
	id, group string
	status    diag.Status
}

// untested counts a round that could not test. The verdicts of the last one that did
// stay: ssectl_diag_up tells them apart.
func (m *metrics) untested(at time.Time, took time.Duration) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(diag.Error, at, took)
}

func (m *metrics) tested(at time.Time, report *diag.Report, changes []line) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(report.Outcome, at, report.Duration)
	m.url = report.URL
	m.checks = m.checks[:0]
	for _, c := range report.Checks {
		m.checks = append(m.checks, checkState{c.ID, c.Group, c.Status})
	}
	if m.changes == nil {
		m.changes = map[string]int{}
	}
	for _, change := range changes {
		if change.From != "" {
			m.changes[change.Check]++
		}
	}
}

// count counts a round; m.mu is held.
func (m *metrics) count(outcome diag.Status, at time.Time, took time.Duration) {
	if m.rounds == nil {
		m.rounds = map[diag.Status]int{}
	}
	m.rounds[outcome]++
	m.up, m.at, m.took = outcome != diag.Error, at, took
}

// ServeHTTP answers with all metrics.
func (m *metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, m.text())
}

// text returns the metrics in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/). The values of
// labels are quoted as it wants them, by labels.
func (m *metrics) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var e exposition
	e.family("ssectl_diag_info", "gauge", "The program and the stream that it watches.")
	e.sample(1, "version", m.version, "url", m.url)
	e.family("ssectl_diag_interval_seconds", "gauge", "Time from the start of a round to the start of the next.")
	e.sample(m.every.Seconds())
	e.family("ssectl_diag_rounds_total", "counter", "Rounds so far, by outcome; error is a round that could not test.")
	for _, outcome := range []diag.Status{diag.Pass, diag.Fail, diag.Error} {
		e.sample(float64(m.rounds[outcome]), "outcome", string(outcome))
	}
	if m.at.IsZero() {
		return e.String() // zeros would be values that nobody measured
	}
	e.family("ssectl_diag_up", "gauge", "Whether the last round could test the stream.")
	e.sample(map[bool]float64{true: 1}[m.up])
	e.family("ssectl_diag_run_duration_seconds", "gauge", "Time that the last round took.")
	e.sample(m.took.Seconds())
	e.family("ssectl_diag_last_run_timestamp_seconds", "gauge", "Time at which the last round ended.")
	e.sample(float64(m.at.UnixMilli()) / 1000)
	e.family("ssectl_diag_check", "gauge", "Whether a check has this status, as of the last round that could test.")
	for _, c := range m.checks {
		for _, status := range statuses {
			value := 0.0
			if c.status == status {
				value = 1
			}
			e.sample(value, "check", c.id, "group", c.group, "status", string(status))
		}
	}
	e.family("ssectl_diag_changes_total", "counter", "Changes of the verdict of a check.")
	for _, c := range m.checks {
		if _, counted := m.changes[c.id]; !counted {
			e.sample(0, "check", c.id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.changes)) {
		e.sample(float64(m.changes[id]), "check", id)
	}
	return e.String()
}

// statuses are those that a check can have.
var statuses = []diag.Status{diag.Pass, diag.Info, diag.Warn, diag.Fail, diag.Inconclusive, diag.Skip}

// An exposition is a text of metrics under construction.
type exposition struct {
	strings.Builder
	name string // of the family
}

func (e *exposition) family(name, kind, help string) {
	e.name = name
	fmt.Fprintf(e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample adds a value with labels, which are names and values by turns.
func (e *exposition) sample(value float64, labels ...string) {
	e.WriteString(e.name)
	for i := 0; i < len(labels); i += 2 {
		e.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(e, `%s="%s"`, labels[i], labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "\ufffd")))
	}
	if labels != nil {
		e.WriteByte('}')
	}
	e.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// metricsAddr returns the address of --metrics. One without a host is of this machine
// alone, as for all that ssectl listens on.
func metricsAddr(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || port != strconv.FormatUint(n, 10) {
		return "", fmt.Errorf("--metrics %q: want host:port, or :port for this machine alone", text)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// serveMetrics answers requests at addr until stop is called, which waits for the end
// of the server. url is that of the metrics.
func serveMetrics(addr string, m *metrics) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "", nil, cli.Fail(cli.ExitNoRun, fmt.Errorf("--metrics: %s is already in use", addr), "--metrics HOST:0 takes a free port")
	case err != nil:
		return "", nil, cli.Fail(cli.ExitNoRun, fmt.Errorf("--metrics: %w", err), "")
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m)
	server := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	return "http://" + listener.Addr().String() + "/metrics", func() { server.Close(); <-done }, nil
}
