package llm

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestExample(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"object","properties":{"s":{"type":"string"},"n":{"type":"integer","minimum":3},"b":{"type":"boolean"}},"required":["s"]}`: `{"b":true,"n":3,"s":"hi"}`,
		`{"type":["null","string"]}`:                 `null`,
		`{"enum":["red","blue"]}`:                    `"red"`,
		`{"const":7}`:                                `7`,
		`{"type":"ARRAY","items":{"type":"NUMBER"}}`: `[1]`,
		`{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"string","format":"date"}}}`:             `"2026-01-01"`,
		`{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}}}}}`: `{"n":{"n":{}}}`,
		`{"$ref":"#"}`:                    `null`,
		`{"type":"string","maxLength":1}`: `"h"`,
		`{"type":"string","minLength":4}`: `"hixx"`,
		`1`:                               `"hi"`,
	} {
		var value any
		decoder := json.NewDecoder(strings.NewReader(schema))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if got := encode(example(value, "hi")); got != want {
			t.Errorf("%s: %s, want %s", schema, got, want)
		}
	}
}

// TestForms wants JSON where the request asks for a schema, and a call where it wants one.
func TestForms(t *testing.T) {
	const schema = `{"type":"object","properties":{"port":{"type":"string"}}}`
	for _, c := range []struct{ service, path, body, want string }{
		{"openai", "/chat/completions", `"messages":[{"role":"user","content":"Wick"}],"response_format":{"type":"json_schema","json_schema":{"schema":SCHEMA}}`, `"content":"{\"port\":\"Wick\"}"`},
		{"openai", "/chat/completions", `"messages":[{"role":"user","content":"Wick"}],"response_format":{"type":"json_object"}`, `"content":"{\"text\":\"Wick\"}"`},
		{"openai", "/chat/completions", `"messages":[{"role":"user","content":"Wick"}],"tool_choice":"required","tools":[{"type":"function","function":{"name":"tide","parameters":SCHEMA}}]`, `"function":{"name":"tide","arguments":"{\"port\":\"Wick\"}"}`},
		{"openai", "/chat/completions", `"messages":[{"role":"tool","content":"06:40"}],"tool_choice":"required","tools":[{"type":"function","function":{"name":"tide","parameters":SCHEMA}}]`, `"arguments":"{\"port\":\"06:40\"}"`},
		{"openai", "/responses", `"input":"Wick","text":{"format":{"type":"json_schema","schema":SCHEMA}}`, `"text":"{\"port\":\"Wick\"}"`},
		{"openai", "/responses", `"input":"Wick","tool_choice":{"type":"function","name":"b"},"tools":[{"name":"a"},{"name":"b","parameters":SCHEMA}]`, `"name":"b","arguments":"{\"port\":\"Wick\"}"`},
		{"anthropic", "/v1/messages", `"messages":[{"role":"user","content":"Wick"}],"output_config":{"format":{"type":"json_schema","schema":SCHEMA}}`, `"text":"{\"port\":\"Wick\"}"`},
		{"anthropic", "/v1/messages", `"messages":[{"role":"user","content":"Wick"}],"tool_choice":{"type":"any"},"tools":[{"name":"tide","input_schema":SCHEMA}]`, `"name":"tide","input":{"port":"Wick"}`},
		{"gemini", "/v1beta/models/m:generateContent", `"contents":[{"parts":[{"text":"Wick"}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":SCHEMA}`, `"text":"{\"port\":\"Wick\"}"`},
		{"gemini", "/v1beta/models/m:generateContent", `"contents":[{"parts":[{"text":"Wick"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}},"tools":[{"functionDeclarations":[{"name":"tide","parameters":SCHEMA}]}]`, `"name":"tide","args":{"port":"Wick"}`},
	} {
		body := `{"model":"m","max_tokens":100,` + strings.ReplaceAll(c.body, "SCHEMA", schema) + `}`
		reply := newService(t, c.service, Options{}).Reply(request(t, "POST", c.path, body), nil)
		if got := string(reply.Body); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %s, want %s", c.path, body, got, c.want)
		}
	}
}
