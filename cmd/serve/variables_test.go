package servecmd

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestVariables(t *testing.T) {
	for _, test := range []struct {
		upstream string
		want     []string
	}{
		{"https://api.openai.com", []string{"OPENAI_BASE_URL=http://me/v1", "OPENAI_API_BASE=http://me/v1"}},
		{"https://API.openai.com/v1/", []string{"OPENAI_BASE_URL=http://me", "OPENAI_API_BASE=http://me"}},
		{"https://api.anthropic.com", []string{"ANTHROPIC_BASE_URL=http://me"}},
		{"https://generativelanguage.googleapis.com", []string{"GOOGLE_GEMINI_BASE_URL=http://me"}},
		{"http://localhost:11434", []string{"OLLAMA_HOST=http://me"}},
		{"https://openai.com.evil.example", []string{
			"OPENAI_BASE_URL=http://me/v1", "OPENAI_API_BASE=http://me/v1", "ANTHROPIC_BASE_URL=http://me", "GOOGLE_GEMINI_BASE_URL=http://me",
			"GROQ_BASE_URL=http://me", "CO_API_URL=http://me", "OLLAMA_HOST=http://me",
		}},
	} {
		upstream, err := url.Parse(test.upstream)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]string{"PATH=x", "SSECTL_URL=http://me"}, test.want...)
		if got := variables([]string{"PATH=x"}, "http://me/", upstream); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", test.upstream, got, want)
		}
	}
}

// TestVariablesAreDocumented compares the table with that of the docs.
func TestVariablesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/sdk-variables.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range baseURLs {
		row := "| `" + v.name + "` | the URL |"
		if v.path != "" {
			row = "| `" + v.name + "` | the URL and `" + v.path + "` |"
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/sdk-variables.md has no row %q", row)
		}
	}
}
