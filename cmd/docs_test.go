package cmd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// Update is for the tests outside of the package too.
var Update = flag.Bool("update", false, "rewrite docs/man, docs/completions and the expected output in testdata/script")

// docsDate is the date on the man pages. It changes with a release.
var docsDate = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// TestDocs keeps the man pages and the completions of the shells current;
// "go test ./cmd -run TestDocs -update" writes them. The generator is needed
// here alone, so it is no part of the program.
func TestDocs(t *testing.T) {
	dir := t.TempDir()
	root := newRootCommand(&term.Streams{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
	for _, sub := range []string{"man", "completions"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	header := &doc.GenManHeader{Section: "1", Source: "ssectl", Manual: "ssectl manual", Date: &docsDate}
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, header, filepath.Join(dir, "man")); err != nil {
		t.Fatal(err)
	}
	for shell, generate := range map[string]func(*cobra.Command, string) error{
		"bash": func(c *cobra.Command, file string) error { return c.GenBashCompletionFileV2(file, true) },
		"zsh":  (*cobra.Command).GenZshCompletionFile,
		"fish": func(c *cobra.Command, file string) error { return c.GenFishCompletionFile(file, true) },
		"ps1":  (*cobra.Command).GenPowerShellCompletionFileWithDesc,
	} {
		if err := generate(root, filepath.Join(dir, "completions", "ssectl."+shell)); err != nil {
			t.Fatal(err)
		}
	}
	compareTree(t, dir, "../docs")
}

// compareTree compares the files below got with those below want, which it
// rewrites with -update.
func compareTree(t *testing.T, got, want string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(got, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing was made: %v", err)
	}
	for _, file := range files {
		made, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(got, file)
		kept := filepath.Join(want, name)
		if *Update {
			if err := os.MkdirAll(filepath.Dir(kept), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(kept, made, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(kept); err != nil || !bytes.Equal(have, made) {
			t.Errorf("%s is not current; go test ./cmd -run TestDocs -update", name)
		}
	}
}
