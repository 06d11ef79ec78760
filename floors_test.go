package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ssectl/ssectl"

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
	{folder: "internal"},
	{folder: "pkg/stream", mayNot: []string{"net", "os"}},
	{folder: "pkg/listen", may: []string{module + "/internal", module + "/pkg/stream"}},
	{folder: "pkg/serve", may: []string{module + "/internal", module + "/pkg/stream"}},
	{folder: "pkg/diag/internal/seen", may: []string{module + "/internal", module + "/pkg/stream"}},
	{folder: "pkg/diag/internal/seentest", may: []string{diagRooms + "/seen"}},
	{folder: "pkg/diag/internal/probe", may: []string{module + "/internal", diagRooms + "/seen"}},
	{folder: "pkg/diag/internal/hold", may: []string{module + "/internal", diagRooms + "/seen"}},
	{folder: "pkg/diag/internal/check", may: []string{module + "/internal", module + "/pkg/stream", diagRooms + "/seen", diagRooms + "/hold"}},
	{folder: "pkg/diag", may: []string{module + "/internal", module + "/pkg/stream"}},
	{folder: "cmd/internal/term", may: []string{"github.com/fatih/color", "github.com/mattn/go-isatty", "golang.org/x/term"}},
	{folder: "cmd/internal", may: []string{module + "/pkg", module + "/cmd/internal", "github.com/itchyny/gojq", "github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/text/width"}},
	{folder: "cmd", may: []string{module + "/internal", module + "/pkg", module + "/cmd/internal", "github.com/HdrHistogram/hdrhistogram-go", "github.com/spf13", "github.com/itchyny/gojq"}},
	{folder: ".", may: []string{module + "/cmd"}},
}

// TestFloors wants imports to point down: commands on libraries, libraries on
// the format, the format on nothing; and only one package to know the standard
// streams of the process.
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
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	folder := filepath.ToSlash(filepath.Dir(path))
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
		case standard && isIn(floor.mayNot):
			t.Errorf("%s imports %s, which %s must not know", path, name, floor.folder)
		case !standard && !isIn(floor.may) && !within(name, module+"/"+floor.folder):
			t.Errorf("%s imports %s, which is not below %s", path, name, floor.folder)
		}
	}
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return dir == "." || path == dir || strings.HasPrefix(path, dir+"/")
}
