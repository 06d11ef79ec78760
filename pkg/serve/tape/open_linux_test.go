package tape

import (
	"os"
	"testing"
)

// A directory that takes no files is refused at the start, and one that does stays
// empty. Nobody can make a file in /proc, the superuser neither.
func TestOpenRecorder(t *testing.T) {
	if err := (&Recorder{Dir: "/proc"}).Open(); err == nil {
		t.Error("/proc is opened for recordings")
	}
	dir := t.TempDir()
	if err := (&Recorder{Dir: dir}).Open(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
		t.Errorf("left %v, %v", list, err)
	}
}
