package llm

import (
	"encoding/json"
	"strings"
)

// deepest is the number of levels of a value that is made, as a schema may contain itself.
const deepest = 8

// example returns a value that fits a JSON schema, small and with a text for its strings.
// The types of Gemini's schemas are in capitals.
func example(schema any, said string) any {
	return (&exampler{root: schema, said: said, left: 1000}).value(schema, 0)
}

type exampler struct {
	root any
	said string
	left int // values that may be made
}

func (x *exampler) value(schema any, depth int) any {
	if x.left--; depth > deepest || x.left < 0 {
		return nil
	}
	if ref := text(schema, "$ref"); ref != "" {
		return x.value(x.resolve(ref), depth+1)
	}
	if value := member(schema, "const"); value != nil {
		return value
	}
	if values := list(schema, "enum"); len(values) > 0 {
		return values[0]
	}
	for _, name := range []string{"anyOf", "oneOf", "allOf"} {
		if choices := list(schema, name); len(choices) > 0 {
			return x.value(choices[0], depth+1)
		}
	}
	kind := text(schema, "type")
	if kinds := list(schema, "type"); len(kinds) > 0 {
		kind, _ = kinds[0].(string)
	}
	if kind == "" && member(schema, "properties") != nil {
		kind = "object"
	}
	switch strings.ToLower(kind) {
	case "object":
		return x.object(schema, depth)
	case "array":
		all := []any{}
		for range max(1, min(number(schema, "minItems"), 10)) {
			if member(schema, "items") != nil {
				all = append(all, x.value(member(schema, "items"), depth+1))
			}
		}
		return all
	case "integer", "number":
		if least, ok := member(schema, "minimum").(json.Number); ok {
			return least
		}
		if least := number(schema, "exclusiveMinimum"); least > 0 {
			return least + 1
		}
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	}
	return x.text(schema)
}

// object returns an object with all properties, in the order of their names. Those that
// are not required are left out at a depth where a schema may go on without end.
func (x *exampler) object(schema any, depth int) any {
	properties, _ := member(schema, "properties").(map[string]any)
	required := map[string]bool{}
	for _, name := range list(schema, "required") {
		if name, ok := name.(string); ok {
			required[name] = true
		}
	}
	made := map[string]any{}
	for name, of := range properties {
		if required[name] || depth < deepest/2 {
			made[name] = x.value(of, depth+1)
		}
	}
	return made
}

// formats are texts of the formats that a schema may name.
var formats = map[string]string{
	"date-time": "2026-01-01T00:00:00Z", "date": "2026-01-01", "time": "00:00:00Z", "duration": "PT1S", "email": "user@example.com",
	"hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000",
}

func (x *exampler) text(schema any) string {
	if s := formats[text(schema, "format")]; s != "" {
		return s
	}
	s := x.said
	if most := number(schema, "maxLength"); most > 0 {
		s = string([]rune(s)[:min(most, len([]rune(s)))])
	}
	if least := min(number(schema, "minLength"), 1000) - len([]rune(s)); least > 0 {
		s += strings.Repeat("x", least)
	}
	return s
}

// resolve returns the schema that a reference within the root is to.
func (x *exampler) resolve(ref string) any {
	rest, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	schema := x.root
	for name := range strings.SplitSeq(rest, "/") {
		if name != "" {
			schema = member(schema, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
		}
	}
	return schema
}
