// Package outfile opens the files that commands write recordings and reports to.
// An older file keeps its content until there is something to replace it with:
// a server that refuses costs no recording.
package outfile

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// A File takes the place of an older one only with the first write.
type File struct {
	*os.File
	created, written bool
}

// Open opens a file for writing, but not one that is in use.
func Open(path string, used ...string) (*File, error) {
	for _, other := range used {
		if other != "" && isSameFile(path, other) {
			return nil, fmt.Errorf("%s is %s, which is in use", path, other)
		}
	}
	_, missing := os.Stat(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600) // the data of a stream may be private
	if err != nil {
		return nil, err
	}
	return &File{File: f, created: missing != nil}, nil
}

// isSameFile reports whether two paths name one file, which need not exist.
func isSameFile(path, other string) bool {
	a, err := os.Stat(path)
	b, otherErr := os.Stat(other)
	if err == nil && otherErr == nil {
		return a.Mode().IsRegular() && os.SameFile(a, b)
	}
	path, err = filepath.Abs(path)
	other, otherErr = filepath.Abs(other)
	return err == nil && otherErr == nil && path == other
}

func (f *File) Write(p []byte) (int, error) {
	if !f.written {
		f.written = true
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if err := f.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return f.File.Write(p)
}

// Close removes the file if it is new and nothing was written.
func (f *File) Close() error {
	err := f.File.Close()
	if f.created && !f.written {
		err = cmp.Or(err, os.Remove(f.Name()))
	}
	return err
}
