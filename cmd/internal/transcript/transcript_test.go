package transcript

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
)

func records(t *testing.T, text string) (list []record.Record) {
	t.Helper()
	all, _, err := record.Read(strings.NewReader(text), record.FormatSSE, 0)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		r.Time = time.Unix(0, 0)
		list = append(list, r)
	}
	return list
}

// String is a transcript in one line.
func oneLine(t window.Transcript) string {
	text := t.Service
	for _, p := range t.Parts {
		text += fmt.Sprintf(" | %s %s%s", p.Kind, p.Name, strings.ReplaceAll(p.Text, "\n", "↵"))
	}
	return text
}

// Each sample is known for what it is, and only what is of no known service is not.
func TestSamples(t *testing.T) {
	for name, want := range map[string]string{
		"a2a": "a2a", "ag-ui": "ag-ui | text Checking the gauge",
		"anthropic-messages": "anthropic | thinking ",
		"gemini":             "gemini | text Spring tides follow the new and full moon. 春潮",
		"graphql-sse":        "graphql | text ",
		"mcp-2025-11-25":     "mcp", "mcp-2026-07-28": "mcp", "mercure": "", "flags": "", "corners": "",
		"openai-chat":      "openai | text ",
		"openai-responses": "openai-responses | text Low water is at noon.",
	} {
		sample, err := os.ReadFile(filepath.Join("../../../testdata/streams", name+".sse"))
		if err != nil {
			t.Fatal(err)
		}
		if got := oneLine(Read(records(t, string(sample)))); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", name, got, want)
		} else {
			t.Log(got)
		}
	}
}

func TestThinkingAndTools(t *testing.T) {
	for name, test := range map[string]struct {
		data []string
		want string
	}{
		"openai": {[]string{
			`{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"Hm, "}}]}`,
			`{"choices":[{"index":0,"delta":{"reasoning_content":"tides."}}]}`,
			`{"choices":[{"index":0,"delta":{"content":"I ask."}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"tide","arguments":""}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"at\":"}},{"index":1,"function":{"name":"moon","arguments":"{}"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, `[DONE]`,
		}, `openai | thinking Hm, tides. | text I ask. | tool tide{"at":1} | tool moon{}`},
		"anthropic": {[]string{
			`{"type":"message_start","message":{}}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"tide","input":{}}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"2}"}}`,
		}, `anthropic | tool tide{"a":2}`},
		"responses": {[]string{
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"Think"}`,
			`{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","name":"tide","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{}"}`,
		}, `openai-responses | thinking Think | tool tide{}`},
		"gemini": {[]string{
			`{"candidates":[{"content":{"parts":[{"text":"why","thought":true},{"text":"so"},{"functionCall":{"name":"tide","args":{"a":[1]}}}]}}]}`,
		}, `gemini | thinking why | text so | tool tide{"a":[1]}`},
		"vercel-ai": {[]string{
			`{"type":"start"}`, `{"type":"reasoning-delta","id":"r","delta":"Hm"}`, `{"type":"tool-input-start","toolCallId":"1","toolName":"tide"}`,
			`{"type":"tool-input-delta","toolCallId":"1","inputTextDelta":"{}"}`, `{"type":"text-delta","id":"x","delta":"Hi"}`,
		}, `vercel-ai | thinking Hm | tool tide{} | text Hi`},
		"ag-ui": {[]string{
			`{"type":"RUN_STARTED"}`, `{"type":"TOOL_CALL_START","toolCallId":"1","toolCallName":"tide"}`, `{"type":"TOOL_CALL_ARGS","toolCallId":"1","delta":"{}"}`,
			`{"type":"TEXT_MESSAGE_CONTENT","delta":"Hi"}`,
		}, `ag-ui | tool tide{} | text Hi`},
		"hostile": {[]string{`{"choices":[1,null,{"delta":{"tool_calls":[null,{"index":{}}],"content":{}}}]}`, `{"choices":5}`, `[`}, `openai`},
	} {
		text := ""
		for _, data := range test.data {
			if name == "anthropic" {
				kind, _, _ := strings.Cut(strings.TrimPrefix(data, `{"type":"`), `"`)
				text += "event: " + kind + "\n"
			}
			text += "data: " + data + "\n\n"
		}
		if got := oneLine(Read(records(t, text))); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}
