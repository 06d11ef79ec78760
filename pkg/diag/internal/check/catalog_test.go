package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestCatalogIsWhole finds every check that is declared in the package: one that is
// in the list of no group would never run.
func TestCatalogIsWhole(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			kind, ok := literal.Type.(*ast.Ident)
			if !ok || kind.Name != "Check" {
				return true
			}
			declared++
			id, group := textOf(literal, "ID"), textOf(literal, "Group")
			c := Lookup(id)
			if c == nil {
				t.Errorf("%s: check %q is in the list of no group", name, id)
			} else if c.Group != group {
				t.Errorf("%s: check %q of group %q is listed as one of %q", name, id, group, c.Group)
			}
			return true
		})
	}
	listed := map[string]bool{}
	for c := range All() {
		if listed[c.ID] {
			t.Errorf("%s is listed twice", c.ID)
		}
		listed[c.ID] = true
	}
	if declared != len(listed) {
		t.Errorf("%d checks are declared, and %d are listed", declared, len(listed))
	}
	for _, group := range groups {
		for _, c := range group {
			if c.Group != group[0].Group {
				t.Errorf("%s of group %q is in the list of %q", c.ID, c.Group, group[0].Group)
			}
		}
	}
}

// textOf returns a field of a literal that is a string.
func textOf(literal *ast.CompositeLit, name string) string {
	for _, element := range literal.Elts {
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, ok := field.Key.(*ast.Ident)
		value, isText := field.Value.(*ast.BasicLit)
		if ok && isText && key.Name == name {
			text, _ := strconv.Unquote(value.Value)
			return text
		}
	}
	return ""
}
