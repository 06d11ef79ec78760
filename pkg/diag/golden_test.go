package diag

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
	"github.com/ssectl/ssectl/pkg/diag/internal/hold"
	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

var (
	update = flag.Bool("update", false, "rewrite testdata/findings.golden")
	record = flag.Bool("record", false, "ask the servers of the tests again, and rewrite testdata/servers.json.gz")
)

// TestFindings compares the findings of every check on every observation of the
// tests with testdata/findings.golden, byte for byte. A move of code leaves the
// file as it is; a change of a verdict or a text shows in it.
func TestFindings(t *testing.T) {
	g := newGolden()
	for _, r := range recordedServers(t) {
		g.add(t, r.Name, r.Observation)
	}
	for _, e := range slices.Concat(tapes(), finiteTapes(), holdTapes()) {
		g.add(t, e.name, e.observe(t))
	}
	for _, s := range append(simulations(), newerTapes()...) {
		g.add(t, s.name, s.observe(t))
	}
	file := filepath.Join("testdata", "findings.golden")
	got := g.text()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(data), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(want) || line != want[i] {
			t.Fatalf("%s:%d: got\n%s\nwant\n%s\n-update rewrites the file", file, i+1, line, want[min(i, len(want)-1)])
		}
	}
	if len(got) != len(data) {
		t.Fatalf("%s has more lines than there are findings", file)
	}
}

// A serverRecording is the observation of one of the servers of liveEvidence. It
// is kept because the events of one instant reach two connections in any order,
// even in fake time, so that no two runs see quite the same.
type serverRecording struct {
	Name        string
	Observation *seen.Observation
}

func recordedServers(t *testing.T) []serverRecording {
	t.Helper()
	file := filepath.Join("testdata", "servers.json.gz")
	if *record {
		recordServers(t, file)
	}
	data, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	zr, err := gzip.NewReader(data)
	if err != nil {
		t.Fatal(err)
	}
	var list []serverRecording
	if err := json.NewDecoder(zr).Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

func recordServers(t *testing.T, file string) {
	t.Helper()
	var list []serverRecording
	for _, e := range serverEvidence() {
		synctest.Test(t, func(t *testing.T) { list = append(list, serverRecording{e.name, e.observe(t)}) })
	}
	var data bytes.Buffer
	zw := gzip.NewWriter(&data)
	if err := json.NewEncoder(zw).Encode(list); err != nil {
		t.Fatal(err)
	}
	zw.Close()
	if err := os.WriteFile(file, data.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// golden lists findings: for each check the different ones, and for each of them
// the numbers of the observations on which it was found.
type golden struct {
	cases    []string
	remedies []string
	found    map[string][]string         // by item, in the order in which they came
	by       map[string]map[string][]int // by check and finding
}

func newGolden() *golden {
	return &golden{found: map[string][]string{}, by: map[string]map[string][]int{}}
}

func (g *golden) add(t *testing.T, name string, o *seen.Observation) {
	t.Helper()
	g.cases = append(g.cases, name)
	report := newReport(o)
	for item := range check.All() {
		report.add(item, item.Run(o), 0)
	}
	var before []string
	for i := range report.Checks {
		before = append(before, g.line(t, &report.Checks[i]))
		g.note(report.Checks[i].ID, before[i])
		checkMethod(t, name, &report.Checks[i])
	}
	// A second look may take a fault back.
	report.confirm(o)
	for i := range report.Checks {
		if line := g.line(t, &report.Checks[i]); line != before[i] {
			g.note(report.Checks[i].ID, "confirmed: "+line)
		}
	}
}

// checkMethod wants the method of a fault to be among those of its check.
func checkMethod(t *testing.T, name string, c *Result) {
	t.Helper()
	method, ok := c.Evidence["method"].(string)
	listed := func(m *hold.Method) bool { return m.Name == method }
	if ok && c.Status.isFault() && !slices.ContainsFunc(c.check.Methods, listed) {
		t.Errorf("%s: %s found a fault by %q, which is none of its methods", name, c.ID, method)
	}
}

func (g *golden) line(t *testing.T, c *Result) string {
	t.Helper()
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("%s: %s", c.Status, c.Actual)
	if c.Seen != "" {
		line += " | seen " + c.Seen
	}
	if c.Expected != "" {
		line += " | expected " + c.Expected
	}
	if c.Evidence != nil {
		line += " | " + string(evidence)
	}
	for _, r := range c.Remedies {
		text := fmt.Sprintf("%s: %s (recognized %t)", r.For, r.Text, r.Recognized)
		at := slices.Index(g.remedies, text)
		if at < 0 {
			at = len(g.remedies)
			g.remedies = append(g.remedies, text)
		}
		line += fmt.Sprintf(" #%d", at+1)
	}
	return strings.ReplaceAll(line, "\n", `\n`)
}

func (g *golden) note(id, line string) {
	if g.by[id] == nil {
		g.by[id] = map[string][]int{}
	}
	if g.by[id][line] == nil {
		g.found[id] = append(g.found[id], line)
	}
	g.by[id][line] = append(g.by[id][line], len(g.cases))
}

func (g *golden) text() string {
	var b strings.Builder
	b.WriteString("observations\n")
	for i, name := range g.cases {
		fmt.Fprintf(&b, "  %d %s\n", i+1, name)
	}
	b.WriteString("\nremedies\n")
	for i, text := range g.remedies {
		fmt.Fprintf(&b, "  #%d %s\n", i+1, text)
	}
	for item := range check.All() {
		id := item.ID
		fmt.Fprintf(&b, "\n%s\n", id)
		for _, line := range g.found[id] {
			fmt.Fprintf(&b, "  %s\n    on %s\n", line, ranges(g.by[id][line]))
		}
	}
	return b.String()
}

// ranges writes rising numbers as "1-3 7".
func ranges(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if j == i {
			parts = append(parts, fmt.Sprint(list[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", list[i], list[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, " ")
}

// simulations are a few of the generated observations of the other tests.
func simulations() []evidence {
	var list []evidence
	add := func(name string, o *seen.Observation) {
		list = append(list, evidence{name: name, observe: func(*testing.T) *seen.Observation { return o }})
	}
	hops := map[string]seentest.Hop{
		"straight": seentest.Straight, "1 KiB": seentest.BySizeOf(1 << 10), "4 KiB": seentest.BySizeOf(4 << 10), "8000": seentest.BySizeOf(8000), "16 KiB": seentest.BySizeOf(16 << 10),
		"0.6 s": seentest.ByTimerOf(600), "1 s": seentest.ByTimerOf(1000), "2 s": seentest.ByTimerOf(2000),
	}
	for _, where := range slices.Sorted(maps.Keys(hops)) {
		for _, source := range slices.Sorted(maps.Keys(seentest.Sources)) {
			for seed := range uint64(2) {
				o, _ := seentest.Simulate(seed, seentest.Sources[source], hops[where])
				add(fmt.Sprintf("%s through %s, seed %d", source, where, seed), o)
			}
		}
	}
	firsts := map[string]seentest.Hop{"behind": seentest.Behind, "straight": seentest.Straight, "late by 0.9 s": seentest.LateJoiner(900), "late by 2.5 s": seentest.LateJoiner(2500), "a backlog": seentest.WithBacklog}
	for _, where := range slices.Sorted(maps.Keys(firsts)) {
		for _, source := range slices.Sorted(maps.Keys(seentest.Sources)) {
			add(fmt.Sprintf("new connections, %s, %s", source, where), seentest.SimulateFirst(0, seentest.Sources[source], firsts[where]))
		}
	}
	for _, want := range slices.Sorted(maps.Keys(seentest.ResumeServers)) {
		for _, source := range []string{"steady", "poisson", "bursty", "tokens", "regular bursts"} {
			o := seentest.SimulateResume(1, seentest.Sources[source], seentest.ResumeServers[want], want == "ids-not-stable")
			add(fmt.Sprintf("resume, %s, %s", source, want), o)
		}
	}
	for _, ms := range []int{1, 3, 25} {
		gap := func(*rand.Rand) time.Duration { return time.Duration(ms) * time.Millisecond }
		add(fmt.Sprintf("a stream each, every %d ms", ms), seentest.OwnPaces(rand.New(rand.NewPCG(1, 7)), gap))
	}
	for _, size := range []int{1024, 1400, 2048} {
		add(fmt.Sprintf("flushed at %d bytes", size), seentest.Recording(seentest.FlushedAt(size, seen.RoleMain, 0), seentest.FlushedAt(size, seen.RoleIdentity, 800), seentest.FlushedAt(size, seen.RoleSecond, 2150)))
	}
	return list
}
