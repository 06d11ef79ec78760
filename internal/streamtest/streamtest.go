// Package streamtest has the inputs that tests of the stream format share: the
// cases of testdata/spec, the samples of testdata/streams, and large streams for
// benchmarks.
package streamtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A Case is one case of testdata/spec; its README describes the form.
type Case struct {
	Name string
	At   string // file:line
	In   string
	Want []Want // the lines after the input
}

// A Want is one line of the result of a [Case].
type Want struct {
	At   string // file:line
	Word string
	Args []string
}

// Cases returns the cases of testdata/spec. Tests run in a folder of a package
// that is two below the root.
func Cases(t testing.TB) []Case {
	t.Helper()
	var cases []Case
	for _, file := range glob(t, "spec/*.txt") {
		cases = append(cases, readCases(t, file)...)
	}
	return cases
}

func readCases(t testing.TB, file string) (cases []Case) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		at := fmt.Sprintf("%s:%d", filepath.Base(file), n)
		word, rest, _ := strings.Cut(line, " ")
		if word == "#" {
			cases = append(cases, Case{Name: rest, At: at})
			continue
		}
		if line == "" {
			continue
		}
		c := &cases[len(cases)-1]
		args := quotedWords(t, at, rest)
		if word == "in" && len(args) == 1 {
			c.In += args[0]
		} else {
			c.Want = append(c.Want, Want{at, word, args})
		}
	}
	return cases
}

// quotedWords splits a line at spaces outside of quotes.
func quotedWords(t testing.TB, at, line string) (words []string) {
	t.Helper()
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatalf("%s: %v in %q", at, err, line)
		}
		word, _ := strconv.Unquote(quoted)
		words, line = append(words, word), line[len(quoted):]
	}
	return words
}

// A Sample is a file of testdata/streams.
type Sample struct {
	Name, Text string
}

// Samples returns the event streams of testdata/streams.
func Samples(t testing.TB) []Sample {
	t.Helper()
	var all []Sample
	for _, file := range glob(t, "streams/*.sse") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Sample{filepath.Base(file), string(text)})
	}
	return all
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../../testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata/%s: %v", pattern, err)
	}
	return files
}

// A SplitReader reads Input in pieces of the sizes of Cuts, over and over, or
// whole without any.
type SplitReader struct {
	Input string
	Cuts  []byte
	n     int
}

func (r *SplitReader) Read(p []byte) (int, error) {
	if r.Input == "" {
		return 0, io.EOF
	}
	size := len(r.Input)
	if len(r.Cuts) > 0 {
		size = int(r.Cuts[r.n%len(r.Cuts)])%31 + 1
		r.n++
	}
	n := copy(p[:min(size, len(p))], r.Input)
	r.Input = r.Input[n:]
	return n, nil
}
