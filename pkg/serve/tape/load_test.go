package tape

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

// A recorder goes on after 9999, and hand-written names stay in their place.
func TestOrderOfFiles(t *testing.T) {
	names := []string{"Z.jsonl", "9999-GET-a.jsonl", "zz.jsonl", "10000-GET-a.jsonl", "0002-b.jsonl", "2-a.jsonl", "00000000000000000000000003.jsonl", "100000000000000000000000.jsonl", "+.jsonl"}
	slices.SortFunc(names, answer.CompareNames)
	want := []string{"+.jsonl", "0002-b.jsonl", "2-a.jsonl", "00000000000000000000000003.jsonl", "9999-GET-a.jsonl", "10000-GET-a.jsonl", "100000000000000000000000.jsonl", "Z.jsonl", "zz.jsonl"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	files := map[string]string{}
	for n := 9998; n <= 10001; n++ {
		files[fmt.Sprintf("%04d-GET-a.jsonl", n)] = fmt.Sprintf(`{"meta":{"request":{"method":"GET","path":"/a"},"response":{"body":"%d"}}}`, n)
	}
	_, base := play(t, write(t, files), Options{})
	for n := 9998; n <= 10001; n++ {
		if _, text, _ := ask(t, base, call{method: "GET", target: "/a"}); text != fmt.Sprint(n) {
			t.Errorf("%s, want %d", text, n)
		}
	}
}
