package cursor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
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

// TestSaveBesideOthers has several cursors save to one file at the same time, as
// processes do: each place stays the one saved last.
func TestSaveBesideOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows locks no folders")
	}
	file := filepath.Join(t.TempDir(), "cursor.json")
	const cursors, saves = 6, 100
	stream := func(i int) string { return fmt.Sprint("http://x/", i) }
	var all sync.WaitGroup
	for i := range cursors {
		all.Go(func() {
			c, _, err := Open(file, stream(i))
			for n := 1; n <= saves && err == nil; n++ {
				err = c.Save(listen.Position{LastEventID: strconv.Itoa(n)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range cursors {
		if _, p, err := Open(file, stream(i)); err != nil || p.LastEventID != strconv.Itoa(saves) {
			t.Errorf("stream %d is at %q, want %d; %v", i, p.LastEventID, saves, err)
		}
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSaveFollowsNoPlantedLink has a link where an older ssectl wrote first.
func TestSaveFollowsNoPlantedLink(t *testing.T) {
	dir := t.TempDir()
	file, victim := filepath.Join(dir, "cursor.json"), filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fmt.Sprintf("%s.%d.tmp", file, os.Getpid()), file + ".tmp"} {
		if err := os.Symlink(victim, name); err != nil && runtime.GOOS != "windows" {
			t.Fatal(err)
		}
	}
	c, _, err := Open(file, "http://x/")
	if err == nil {
		err = c.Save(listen.Position{LastEventID: "1"})
	}
	if text, _ := os.ReadFile(victim); err != nil || string(text) != "mine" {
		t.Errorf("the file of the link holds %q, %v", text, err)
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
