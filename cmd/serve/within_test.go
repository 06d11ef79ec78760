package servecmd

import (
	"path/filepath"
	"testing"
)

func TestRequestsWithinServedDirectory(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]bool{
		filepath.Join(dir, "log.jsonl"): true, filepath.Join(dir, "sub", "log.jsonl"): true,
		dir + ".jsonl": false, filepath.Join(dir, "..", "log.jsonl"): false, "-": false, "": false,
	} {
		opts := &options{}
		opts.Requests, opts.Replay = file, dir
		if err := opts.checkAsked(); (err != nil) != want {
			t.Errorf("--requests %q with %s: error %v, want one: %v", file, dir, err, want)
		}
	}
}
