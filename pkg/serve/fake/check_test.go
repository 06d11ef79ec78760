package fake

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Answers whose turns never come are warned of.
func TestCheckTurns(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"- {name: a, after: b, answer: {}}\n- {name: b, after: a, answer: {}}\n- {name: c, after: c, answer: {}}\n", []string{
			`line 1, column 20: it is never given: it comes after "b", which is never given before`,
			`line 2, column 20: it is never given: it comes after "a", which is never given before`,
			"line 3, column 20: it is never given: it comes after itself",
		}},
		{"- {name: a, answer: {}}\n- {name: b, answer: {}}\n- {name: c, after: [a, b], match: /c, answer: {}}\n", []string{
			"line 2, column 3: it is never given: a answers all that it answers",
			"line 3, column 3: it is never given: a answers all that it answers",
		}},
		{"- {name: a, match: /a, answer: {}}\n- {name: b, match: /a, answer: {}}\n- {name: c, after: [a, b], match: /c, answer: {}}\n", []string{
			"line 2, column 3: it is never given: a answers all that it answers",
			`line 3, column 24: it is never given: it comes after "b", which is never given before`,
		}},
		{"- {name: a, after: [c, c], match: /a, answer: {}}\n- {name: b, after: a, answer: {}}\n- {name: c, times: 1, answer: {}}\n", nil},
	} {
		dir := write(t, map[string]string{"a.yaml": test.text})
		_, problems, err := Check(dir, options)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range problems {
			got = append(got, strings.TrimPrefix(p.Error(), filepath.Join(dir, "a.yaml")+": "))
			if !p.Warning {
				t.Errorf("%v is no warning", p)
			}
		}
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s\n got %q\nwant %q", test.text, got, test.want)
		}
	}
}

// An answer is compared with those of its path alone: all pairs of these are more than are
// compared at all.
func TestCheckMany(t *testing.T) {
	l := newLoader(options)
	for i := range 20000 {
		m, err := Match{Path: fmt.Sprintf("/%d", i%19999)}.compile()
		if err != nil {
			t.Fatal(err)
		}
		l.answers = append(l.answers, Answer{Name: fmt.Sprint(i)})
		l.places = append(l.places, place{node: &node{}, matcher: m})
	}
	if l.warn(); len(l.problems) != 1 {
		t.Errorf("%d warnings", len(l.problems))
	}
}

// Streams are files below the directory: none of a path that leaves it.
func TestStreamsStayInside(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside.sse")
	inside := filepath.Join(dir, "fakes")
	if err := os.MkdirAll(filepath.Join(inside, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{outside, filepath.Join(inside, "sub", "s.sse")} {
		if err := os.WriteFile(name, []byte("data: x\n\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	links := os.Symlink(outside, filepath.Join(inside, "link.sse")) == nil // Windows lets few make them
	for stream, ok := range map[string]bool{"sub/s.sse": true, "sub/../sub/s.sse": true, "../outside.sse": false, outside: false, "link.sse": false, "sub": false} {
		if stream == "link.sse" && !links {
			continue
		}
		_, err := Parse("a.json", fmt.Appendf(nil, `{"answer": {"stream": %q}}`, stream), inside, options)
		if (err == nil) != ok {
			t.Errorf("%s: %v", stream, err)
		}
	}
}

// Texts that are not UTF-8 are refused with their place, in both forms.
func TestNotUTF8(t *testing.T) {
	for name, text := range map[string]string{"a.json": "{\"answer\":\n{\"body\":\"\xff\xfe\"}}", "a.yaml": "answer:\n  body:  \xff"} {
		_, err := Parse(name, []byte(text), "", options)
		if err == nil || !strings.Contains(err.Error(), "line 2, column 10: the text is not UTF-8") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Numbers out of range are refused in one way each.
func TestNumbers(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"answer: {status: 99}", "status: want a number from 200 to 599"},
		{"answer: {status: 1000}", "status: want a number from 200 to 599"},
		{"answer: {status: \"200\"}", "status: want a number from 200 to 599, without quotes"},
		{"times: 99999999999999999999\nanswer: {}", "times: 99999999999999999999 is too large"},
		{"times: 0\nanswer: {}", "times: want a whole number from 1 on"},
	} {
		_, err := Parse("a.yaml", []byte(test.text), "", options)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+test.want) {
			t.Errorf("%s: %v, want %q", test.text, err, test.want)
		}
	}
}
