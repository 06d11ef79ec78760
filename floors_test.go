package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/ssectl/ssectl"
	inner  = module + "/cmd/internal/"
)

// diagRooms is where the rooms of pkg/diag are.
const diagRooms = module + "/pkg/diag/internal"

// A floor is a folder and what the packages in it may know.
type floor struct {
	folder string
	may    []string // packages of the module and of others, with all below them
	mayNot []string // of the standard library
}

// floors says what the packages of each folder may import, beyond the standard
// library and their own subfolders. Code that breaks it is probably one floor
// too high.
var floors = []floor{
	{folder: "internal/coding", may: []string{"github.com/andybalholm/brotli", "github.com/klauspost/compress"}},
	{folder: "internal/query", may: []string{module + "/pkg/stream", "github.com/itchyny/gojq"}},
	{folder: "internal"},
	{folder: "pkg/stream", mayNot: []string{"net", "os"}},
	{folder: "pkg/record", may: []string{module + "/pkg/stream"}, mayNot: []string{"net", "os"}},
	{folder: "pkg/exchange/window", may: []string{module + "/internal", module + "/pkg/exchange", module + "/pkg/record", module + "/pkg/stream"}},
	{folder: "pkg/exchange", may: []string{module + "/pkg/record", module + "/pkg/stream"}},
	{folder: "pkg/listen", may: []string{module + "/internal", module + "/pkg/stream", "github.com/coder/websocket"}},
	{folder: "pkg/serve/fault", may: []string{module + "/internal"}},
	{folder: "pkg/serve/inspector", may: []string{module + "/internal", module + "/pkg/serve", module + "/pkg/exchange", module + "/pkg/record", module + "/pkg/stream"}},
	{folder: "pkg/serve/relay", may: []string{module + "/internal", module + "/pkg/serve/fault", module + "/pkg/exchange", module + "/pkg/record", module + "/pkg/stream"}},
	{folder: "pkg/serve/tape", may: []string{module + "/internal", module + "/pkg/serve/fault", module + "/pkg/serve/internal/answer", module + "/pkg/exchange", module + "/pkg/record", module + "/pkg/stream"}},
	{folder: "pkg/serve/fake", may: []string{module + "/internal", module + "/pkg/serve", module + "/pkg/exchange", module + "/pkg/record", module + "/pkg/stream", "go.yaml.in/yaml"}},
	{folder: "pkg/serve/internal/answer", may: []string{module + "/internal", module + "/pkg/serve/fault", module + "/pkg/exchange", module + "/pkg/record"}},
	{folder: "pkg/serve/internal/figures", may: []string{module + "/pkg"}},
	{folder: "pkg/serve/drift", may: []string{module + "/internal", module + "/pkg/record", module + "/pkg/stream"}},
	{folder: "pkg/serve/servetest", may: []string{module + "/pkg"}},
	{folder: "pkg/serve", mayNot: []string{module + "/pkg/serve/inspector"}, may: []string{module + "/internal", module + "/pkg/record", module + "/pkg/stream", "github.com/coder/websocket"}},
	{folder: "pkg/diag/internal/seen", may: []string{module + "/internal", module + "/pkg/stream"}},
	{folder: "pkg/diag/internal/seentest", may: []string{diagRooms + "/seen"}},
	{folder: "pkg/diag/internal/probe", may: []string{module + "/internal", diagRooms + "/seen"}},
	{folder: "pkg/diag/internal/hold", may: []string{module + "/internal", diagRooms + "/seen"}},
	{folder: "pkg/diag/internal/check", may: []string{module + "/internal", module + "/pkg/stream", diagRooms + "/seen", diagRooms + "/hold"}},
	{folder: "pkg/diag", may: []string{module + "/internal", module + "/pkg/stream"}},
	{folder: "cmd/internal/term", may: []string{"github.com/fatih/color", "github.com/mattn/go-isatty", "golang.org/x/term"}},
	{folder: "cmd/internal/outfile"},
	{folder: "cmd/internal/chart"},
	{folder: "cmd/internal/progress", may: []string{inner + "term"}},
	{folder: "cmd/internal/cursor", may: []string{module + "/pkg/listen"}},
	{folder: "cmd/internal/preset", may: []string{module + "/internal/suggest"}},
	{folder: "cmd/internal/transcript", may: []string{inner + "preset", module + "/internal/query", module + "/pkg/exchange/window", module + "/pkg/record"}},
	{folder: "cmd/internal/output", may: []string{inner + "chart", inner + "term", module + "/internal/units", module + "/pkg", "golang.org/x/text/width"}},
	{folder: "cmd/internal/cli", may: []string{module + "/internal", inner + "output", module + "/internal/suggest", inner + "term", "github.com/spf13"}},
	{folder: "cmd/internal/curl", may: []string{module + "/internal", inner + "cli", inner + "output", inner + "term", "github.com/spf13/pflag"}},
	{folder: "cmd/internal/cmdtest", may: []string{module + "/cmd", module + "/pkg/stream", "github.com/rogpeppe/go-internal/testscript"}},
	{folder: "cmd/internal"},
	{folder: "cmd/listen", may: []string{module + "/internal", module + "/pkg/exchange", module + "/pkg/serve/inspector", module + "/pkg/listen", module + "/pkg/record", module + "/pkg/stream", module + "/cmd/internal", "github.com/HdrHistogram/hdrhistogram-go", "github.com/spf13"}},
	{folder: "cmd/serve", may: []string{module + "/internal", module + "/pkg/exchange", module + "/pkg/record", module + "/pkg/serve", module + "/pkg/stream", module + "/cmd/internal", "github.com/spf13"}},
	{folder: "cmd/diag", may: []string{module + "/internal", module + "/pkg/diag", module + "/cmd/internal", "github.com/spf13"}},
	{folder: "cmd", may: []string{module + "/pkg/record", module + "/pkg/stream", "github.com/spf13"}},
	{folder: ".", may: []string{module + "/cmd"}},
}

// TestFloors wants imports to point down: the root on commands, commands on
// libraries, libraries on the format, the format on nothing. No command knows
// another. Only one package touches the standard streams of the process.
func TestFloors(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && isOtherModule(path) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		checkFloor(t, filepath.ToSlash(path))
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
}

func isOtherModule(dir string) bool {
	mods, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(mods) > 0
}

func checkFloor(t *testing.T, path string) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	folder := filepath.ToSlash(filepath.Dir(path))
	checkStreams(t, files, file, folder)
	i := slices.IndexFunc(floors, func(f floor) bool { return within(folder, f.folder) })
	if i < 0 {
		t.Errorf("%s is on no floor", path)
		return
	}
	floor := floors[i]
	for _, spec := range file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		isIn := func(list []string) bool {
			return slices.ContainsFunc(list, func(p string) bool { return within(name, p) })
		}
		standard := !strings.Contains(strings.Split(name, "/")[0], ".")
		switch {
		case isIn(floor.mayNot):
			t.Errorf("%s imports %s, which %s must not know", path, name, floor.folder)
		case !standard && !isIn(floor.may) && !within(name, module+"/"+floor.folder):
			t.Errorf("%s imports %s, which is not below %s", path, name, floor.folder)
		}
	}
}

// streamsFolder is the only package that touches the standard streams of the
// process. Programs for developers, packages main of their own, do as they like.
const streamsFolder = "cmd/internal/term"

// checkStreams wants no standard stream in a file, nor a function that writes to
// one.
func checkStreams(t *testing.T, files *token.FileSet, file *ast.File, folder string) {
	if folder == streamsFolder || file.Name.Name == "main" {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch name := pkg.Name + "." + selector.Sel.Name; name {
		case "os.Stdin", "os.Stdout", "os.Stderr", "fmt.Print", "fmt.Printf", "fmt.Println":
			t.Errorf("%s uses %s, which only %s may", files.Position(n.Pos()), name, streamsFolder)
		}
		return true
	})
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return dir == "." || path == dir || strings.HasPrefix(path, dir+"/")
}
