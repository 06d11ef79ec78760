package cursor

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ssectl/ssectl/pkg/listen"
)

// TestOpenRefusesWhatCannotBeKept wants errors before a stream is connected to.
func TestOpenRefusesWhatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"no directory":         filepath.Join(dir, "none", "cursor.json"),
		"a directory":          dir,
		"a device, never read": os.DevNull,
	} {
		if _, _, err := Open(path, "http://x/"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSaveKeepsALink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "link.json")
	if err := os.WriteFile(file, []byte(`{"ssectl_cursor":1,"streams":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.json", link); err != nil {
		if runtime.GOOS != "windows" { // which gives links to administrators alone
			t.Fatal(err)
		}
		t.Skip(err)
	}
	c, _, err := Open(link, "http://x/")
	if err != nil {
		t.Fatal(err)
	}
	want := listen.Position{LastEventID: "7"}
	if err := c.Save(want); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if _, got, err := Open(file, "http://x/"); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}
