package servetest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/servetest"
)

// The second turn of a conversation differs from the first.
func ExampleFake() {
	var t *testing.T // of the test

	base := servetest.Fake(t,
		fake.Answer{Match: fake.Match{Method: "POST", Path: "/chat"}, Times: 1, Reply: fake.JSON(429, map[string]any{"error": "slow down"})},
		fake.Answer{Match: fake.Match{Method: "POST", Path: "/chat", JQ: ".json.stream"}, Make: func(r *fake.Request) (*fake.Reply, error) {
			return fake.JSON(200, map[string]any{"id": r.Number}), nil
		}},
	)
	http.Post(base+"/chat", "application/json", strings.NewReader(`{"stream":true}`)) // or the client to be tested
}

// The answers of a directory of YAML files.
func ExampleFakeDir() {
	var t *testing.T // of the test

	base := servetest.FakeDir(t, "testdata/fakes")
	http.Get(base + "/models")
}

func TestFake(t *testing.T) {
	f := &failing{TB: t}
	base := servetest.Fake(f,
		fake.Answer{Name: "a", Match: fake.Match{Path: "/a"}, Times: 1, Reply: fake.JSON(429, "slow")},
		fake.Answer{Match: fake.Match{Path: "/a"}, Reply: fake.JSON(200, "fast")},
	)
	for _, want := range []string{`429 "slow" <nil>`, `200 "fast" <nil>`} {
		if got := post(t, base+"/a", "k", ""); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if len(f.errors) > 0 {
		t.Errorf("%q", f.errors)
	}
	post(t, base+"/b", "k", "")
	if len(f.errors) != 1 || !strings.Contains(f.errors[0], "the nearest is a: path is /b, wanted /a") {
		t.Errorf("%q", f.errors)
	}
}

func TestFakeDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("match: POST /a\nanswer: {json: {got: {jq: .json.x}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := post(t, servetest.FakeDir(t, dir)+"/a", "k", `{"x":[1]}`); got != `200 {"got":[1]} <nil>` {
		t.Error(got)
	}
}
