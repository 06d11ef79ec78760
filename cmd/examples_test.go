package cmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// TestExamples parses every command line of ours in the examples of --help, so
// that none shows a flag, a value or an argument that the command refuses.
func TestExamples(t *testing.T) {
	newRoot := func() *cobra.Command {
		return newRootCommand(&term.Streams{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, named(nil))
	}
	seen := 0
	for _, command := range newRoot().Commands() {
		for line := range strings.Lines(command.Example) {
			for _, words := range commandLines(line) {
				if len(words) < 2 || words[0] != "ssectl" {
					continue
				}
				seen++
				// Parsing leaves its traces, so each line gets a tree of its own.
				target, args, err := newRoot().Find(words[1:])
				if err == nil {
					err = target.ParseFlags(args)
				}
				if err == nil {
					err = target.ValidateArgs(target.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: %q: %v", command.Name(), strings.TrimSpace(line), err)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d examples found", seen)
	}
}

// commandLines splits a line of the shell at pipes, semicolons and the like, and
// each part into words, without the files of redirections.
func commandLines(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	quote, inWord, redirected := rune(0), false, false
	endWord := func() {
		if inWord && !redirected {
			words = append(words, word.String())
		}
		if inWord {
			redirected = false
		}
		word.Reset()
		inWord = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.ContainsRune("|;&", c):
			endWord()
			commands, words = append(commands, words), nil
		case c == '<' || c == '>':
			endWord()
			redirected = true
		case c == ' ' || c == '\t' || c == '\n':
			endWord()
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	endWord()
	return append(commands, words)
}
