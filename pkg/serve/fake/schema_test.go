package fake

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema for editors takes the examples of the documentation, and knows the members
// that the loader knows.
func TestSchema(t *testing.T) {
	text, err := os.ReadFile("../../../docs/fakes.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("fakes.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("fakes.json")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/fakes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		documents, err := parseYAML([]byte(block))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range documents {
			if err := schema.Validate(n.value()); err != nil {
				t.Errorf("%v in\n%s", err, block)
			}
		}
	}
	if err := schema.Validate(map[string]any{"answer": map[string]any{"jsn": 1}}); err == nil {
		t.Error("an unknown member is taken")
	}

	var defined struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &defined); err != nil {
		t.Fatal(err)
	}
	for kind, format := range map[string]string{"answer": `zz: 1`, "match": "answer: {}\nmatch: {zz: 1}", "reply": "answer: {zz: 1}"} {
		if kind == "answer" {
			format += "\nanswer: {}"
		}
		_, err := Parse("a.yaml", []byte(format), "", LoadOptions{})
		if err == nil {
			t.Fatalf("%q is taken", format)
		}
		_, names, _ := strings.Cut(err.Error(), "want one of ")
		if want := strings.Join(slices.Sorted(maps.Keys(defined.Defs[kind].Properties)), ", "); names != want {
			t.Errorf("%s has the members %s, the schema %s", kind, names, want)
		}
	}
}
