package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLicences keeps docs/licences.md the list of the modules whose code is in
// the binary, on the systems it is built for.
func TestLicences(t *testing.T) {
	page, err := os.ReadFile("docs/licences.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.\S+) \| `).FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
	}
	var used []string
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%v: %v", list, err)
		}
		used = append(used, strings.Fields(string(out))...)
	}
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, listed) {
		t.Errorf("docs/licences.md lists\n%s\nthe binary has\n%s", strings.Join(listed, "\n"), strings.Join(used, "\n"))
	}
}
