package httpx

import (
	"maps"
	"testing"
)

func TestPathPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          map[string]string // nil if it does not match
	}{
		{"/a", "/a", map[string]string{}},
		{"/a", "/a/", nil},
		{"/a", "/b", nil},
		{"/", "/", map[string]string{}},
		{"/models/{m}", "/models/x", map[string]string{"m": "x"}},
		{"/models/{m}", "/models/", nil},
		{"/models/{m}", "/models/x/y", nil},
		{"/{v}/models/{m}:generate", "/v1/models/x:y:generate", map[string]string{"v": "v1", "m": "x:y"}},
		{"/models/{m}:generate", "/models/:generate", nil},
		{"/models/{m}:generate", "/models/x:stream", nil},
		{"/*/b", "/a/b", map[string]string{}},
		{"/*/b", "//b", nil},
		{"/*/b", "/b", nil},
		{"/a/*", "/a/b/c", map[string]string{}},
		{"/a/*", "/a/", nil},
		{"/a/*", "/a", nil},
		{"/a/{rest...}", "/a/b/c", map[string]string{"rest": "b/c"}},
		{"/*", "/a/b", map[string]string{}},
		{"/*", "/", nil},
		{"/{x...}/b", "/a/b", map[string]string{"x": "a"}},
	} {
		p := ParsePath(test.pattern)
		switch got := p.Match(test.path); {
		case got != (test.want != nil):
			t.Errorf("%q matches %q: %v", test.pattern, test.path, got)
		case got && !maps.Equal(p.Params(test.path), test.want):
			t.Errorf("%q in %q: %q, want %q", test.pattern, test.path, p.Params(test.path), test.want)
		}
	}
}
