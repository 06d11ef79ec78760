package cursor

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/ssectl/ssectl/pkg/listen"
)

// FuzzOpen wants a file that opens to keep what is saved in it, and a file that
// does not to stay as it was.
func FuzzOpen(f *testing.F) {
	for _, text := range []string{
		"", "{", "[]", "null", `{"ssectl_cursor":1,"streams":{}}`, `{"ssectl_cursor":1,"streams":null}`, `{"ssectl_cursor":2,"streams":{}}`,
		`{"ssectl_cursor":1,"streams":{"http://x/":{"last_event_id":"1","offset":-5,"validator":"\u0000"}}}`, `{"ssectl_cursor":1e0,"streams":{"":{}}}`,
		`{"ssectl_cursor":1,"streams":{"http://x/":{"retry_ms":-1,"rest":{"asked":true,"id":{"a":1},"position":1e99,"count":-1,"request":{"url":"","query":["k"]}}}}}`,
	} {
		f.Add([]byte(text), "http://x/", "7\x1b潮")
	}
	f.Fuzz(func(t *testing.T, text []byte, name, id string) {
		if !utf8.ValidString(name) || !utf8.ValidString(id) {
			return // neither can come from a URL or a stream
		}
		path := filepath.Join(t.TempDir(), "cursor.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Open(path, name)
		if err != nil {
			if now, _ := os.ReadFile(path); string(now) != string(text) {
				t.Errorf("%q is refused (%v), but now %q", text, err, now)
			}
			return
		}
		want := listen.Position{LastEventID: id, Offset: 9}
		if err := c.Save(want); err != nil {
			t.Fatal(err)
		}
		if _, got, err := Open(path, name); err != nil || got != want {
			t.Errorf("saved %+v, opened %+v, %v", want, got, err)
		}
	})
}
