package cmd

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	diagcmd "github.com/ssectl/ssectl/cmd/diag"
	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/diag"
)

// Update is for the tests outside of the package too.
var Update = flag.Bool("update", false, "rewrite docs/man, docs/completions and the expected output in testdata/script")

// docsDate is the date on the man pages. It changes with a release.
var docsDate = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// TestDocs keeps the man pages, the completions of the shells and the list of checks current;
// "go test ./cmd -run TestDocs -update" writes them. The generator is needed
// here alone, so it is no part of the program.
func TestDocs(t *testing.T) {
	dir := t.TempDir()
	root := newRootCommand(&term.Streams{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, named(nil))
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
	checks := filepath.Join(dir, "checks.md")
	if err := os.WriteFile(checks, checksPage(), 0o666); err != nil {
		t.Fatal(err)
	}
	made, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, file := range append(made, checks) {
		compareFile(t, file, dir, "../docs")
	}
}

// checksPage lists the checks of diag, from its catalog.
func checksPage() []byte {
	var page bytes.Buffer
	page.WriteString(`# The checks of ssectl diag

"ssectl diag --explain ID" says more of each: what breaks without it, how it is
measured, and what cures it. IDs are stable: none is renamed or used again.
"At worst" is the worst outcome that a check can have; one that needs a flag is
not in the default run.
`)
	for _, group := range diag.Groups() {
		fmt.Fprintf(&page, "\n## %s\n\n| check | what it verifies, and how | at worst | needs |\n|---|---|---|---|\n", group)
		for check := range diag.Checks() {
			if check.Group != group {
				continue
			}
			needs := check.Needs
			if needs != "" {
				needs = "`" + diagcmd.NeedsFlag(check) + "`"
			}
			how := strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(check.Title + ". " + diagcmd.WithFlags(check.How))
			var methods []string
			for _, method := range check.Methods {
				methods = append(methods, method.Name+" ("+method.Doc+")")
			}
			if len(methods) > 0 {
				how += "<br>By " + strings.Join(methods, ", ") + "."
			}
			fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", check.ID, how, check.Worst, needs)
		}
	}
	return page.Bytes()
}

// compareFile compares a file below got with the one below want, which it
// rewrites with -update.
func compareFile(t *testing.T, file, got, want string) {
	t.Helper()
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
		t.Errorf("docs/%s is not current; go test ./cmd -run TestDocs -update", filepath.ToSlash(name))
	}
}

// TestRecipes holds the recipes to the catalog: each names checks that exist, and that
// run by the flags named with them.
func TestRecipes(t *testing.T) {
	text, err := os.ReadFile("../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for section := range strings.SplitSeq(string(text), "\n## ") {
		title, _, _ := strings.Cut(section, "\n")
		at := strings.LastIndex(section, "\nCheck")
		if at < 0 {
			if !slices.Contains([]string{"# Settings that let events through", "Around ssectl serve --upstream", "Watch a stream", "What was tried", "Fakes", "Protocols"}, title) {
				t.Errorf("%s: no check proves it", title)
			}
			continue
		}
		proof, _, _ := strings.Cut(section[at+1:], "\n\n")
		for _, name := range quoted.FindAllStringSubmatch(strings.Split(proof, ". ")[0], -1) {
			if strings.HasPrefix(name[1], "--") {
				continue
			}
			c, ok := diag.Lookup(name[1])
			if !ok {
				t.Errorf("%s: no check %q", title, name[1])
			} else if c.Needs == "Soak" && !strings.Contains(proof, "--soak") {
				t.Errorf("%s: %s needs --soak", title, name[1])
			}
		}
	}
}
