package listencmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A terminal opens a browser, if the desktop has one and nobody objects.
func TestUIOpensABrowser(t *testing.T) {
	dir := t.TempDir()
	opened := filepath.Join(dir, "opened")
	script := "#!/bin/sh\necho \"$1\" > " + opened + ".part\nmv " + opened + ".part " + opened + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("DISPLAY", ":0")
	url := streaming(t, "id: 1\ndata: x\n\n")
	for _, args := range [][]string{{"--no-reconnect", url, "--no-open"}, {"--no-reconnect", url}} {
		w := startUI(t, true, args...)
		w.awaitStay()
		if len(args) > 2 {
			if _, err := os.Stat(opened); err == nil {
				t.Error("--no-open opened a browser")
			}
			continue
		}
		text, err := os.ReadFile(opened)
		for os.IsNotExist(err) {
			text, err = os.ReadFile(opened)
		}
		if err != nil || strings.TrimSpace(string(text)) != w.url {
			t.Errorf("opened %q, %v; want %q", text, err, w.url)
		}
	}
	t.Setenv("PATH", t.TempDir()) // no such program: not an error
	w := startUI(t, true, "--no-reconnect", url)
	w.awaitStay()
	w.stop()
	if code := <-w.code; code != 0 {
		t.Errorf("exit code %d\n%s", code, w.log)
	}
}
