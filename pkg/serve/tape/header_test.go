package tape

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/exchange"
)

// Bytes of a header that are not UTF-8 come back, and match.
func TestHeaderBytes(t *testing.T) {
	r := newRecorder(t)
	answer := http.Header{"Warning": {"\xff\xfe"}, "X-Two": {"\xe9", "plain é"}}
	take(t, r.Watch, call{method: "GET", target: "/", header: http.Header{"Accept": {"a\xff"}}, status: 200, answer: answer, text: "x", how: exchange.Whole}, 10)
	_, base := play(t, r.Dir, Options{Match: []Part{"path", "header:accept"}})
	response, text, _ := ask(t, base, call{method: "GET", target: "/", header: http.Header{"Accept": {"a\xff"}}})
	if text != "x" || !slices.Equal(response.Header["Warning"], answer["Warning"]) || !slices.Equal(response.Header["X-Two"], answer["X-Two"]) {
		files, _ := filepath.Glob(filepath.Join(r.Dir, "*"))
		tape, _ := os.ReadFile(files[0])
		t.Errorf("%q %q\n%s", text, response.Header, tape)
	}
	for _, bad := range []string{`{"b64":"*"}`, `{}`, `{"b64":1}`, `[1]`, `{"b64":"DQo="}`} {
		dir := write(t, map[string]string{"1.jsonl": `{"meta":{"response":{"headers":{"A":` + bad + `}}}}` + "\n{}"})
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "headers") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
