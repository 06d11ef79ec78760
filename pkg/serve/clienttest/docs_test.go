package clienttest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocs wants docs/clients.md to have the versions that are tested.
func TestDocs(t *testing.T) {
	var list struct{ Dependencies map[string]string }
	text, err := os.ReadFile("package.json")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	page, pageErr := os.ReadFile("../../../docs/clients.md")
	if err != nil || pageErr != nil {
		t.Fatal(err, pageErr)
	}
	for _, name := range []string{"zod", "graphql"} { // of which others have a choice
		delete(list.Dependencies, name)
	}
	delete(list.Dependencies, "@modelcontextprotocol/conformance") // which is no client
	for name, version := range list.Dependencies {
		if row := fmt.Sprintf("| `%s` | %s |", name, version); !strings.Contains(string(page), row) {
			t.Errorf("docs/clients.md has no row %q", row)
		}
	}
}
