package stream_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A specCase is one case of testdata/spec; its README describes the form.
type specCase struct {
	name, at string // at is file:line
	in       string
	want     reference
}

func specCases(t testing.TB) []specCase {
	t.Helper()
	files, err := filepath.Glob("../../testdata/spec/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata/spec: %v", err)
	}
	var cases []specCase
	for _, file := range files {
		cases = append(cases, readSpecCases(t, file)...)
	}
	return cases
}

func readSpecCases(t testing.TB, file string) []specCase {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []specCase
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		at := fmt.Sprintf("%s:%d", filepath.Base(file), n)
		word, rest, _ := strings.Cut(line, " ")
		if word == "#" {
			cases = append(cases, specCase{name: rest, at: at})
			continue
		}
		if line == "" {
			continue
		}
		c := &cases[len(cases)-1]
		args := quotedWords(t, at, rest)
		switch {
		case word == "in" && len(args) == 1:
			c.in += args[0]
		case word == "event" && len(args) == 3:
			c.want.events = append(c.want.events, refEvent{args[0], args[1], args[2]})
		case word == "comment" && len(args) == 1:
			c.want.comments = append(c.want.comments, args[0])
		case word == "id" && len(args) == 1:
			c.want.lastEventID = args[0]
		case word == "retry" && len(args) == 1:
			ms, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			c.want.retry, c.want.hasRetry = time.Duration(ms)*time.Millisecond, true
		case word == "unfinished" && len(args) == 0:
			c.want.unfinished = true
		default:
			t.Fatalf("%s: cannot read %q", at, line)
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

// TestReferenceMeetsSpec keeps the reference decoder honest, on which all the
// comparisons below rest.
func TestReferenceMeetsSpec(t *testing.T) {
	for _, c := range specCases(t) {
		if diff := diffReference(decodeReference(c.in), c.want); diff != "" {
			t.Errorf("%s: %s\ninput %q\n%s", c.at, c.name, c.in, diff)
		}
	}
}

// diffReference says in which points got differs from want.
func diffReference(got, want reference) string {
	var diff strings.Builder
	compare := func(what string, got, want any) {
		if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
			fmt.Fprintf(&diff, "%s:\n got %s\nwant %s\n", what, g, w)
		}
	}
	compare("events", got.events, want.events)
	compare("comments", got.comments, want.comments)
	compare("last event ID", got.lastEventID, want.lastEventID)
	if got.retry != want.retry || got.hasRetry != want.hasRetry {
		fmt.Fprintf(&diff, "retry: got %v %v, want %v %v\n", got.retry, got.hasRetry, want.retry, want.hasRetry)
	}
	if got.unfinished != want.unfinished {
		fmt.Fprintf(&diff, "unfinished: got %v, want %v\n", got.unfinished, want.unfinished)
	}
	return diff.String()
}
