// Package cursor keeps positions in streams in a file, between runs.
package cursor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ssectl/ssectl/pkg/listen"
)

// version is that of the form of the file.
const version = 1

// document is the file.
type document struct {
	Version int              `json:"ssectl_cursor"`
	Streams map[string]place `json:"streams"`
}

// A place is a [listen.Position] in the file.
type place struct {
	LastEventID string `json:"last_event_id"`
	Offset      int64  `json:"offset,omitempty"`
	Checksum    uint32 `json:"checksum,omitempty"`
	Validator   string `json:"validator,omitempty"`
}

// A Cursor is the place of one stream in a file that may hold those of others.
type Cursor struct {
	path, stream string
	document     document
	saved        place
}

// Open reads the file, which need not exist, and returns the cursor of a
// stream and its position. A file that is no cursor file is an error: to start
// afresh is for the user to decide. So is one that could not be written, which
// would otherwise show only after the first event.
func Open(path, stream string) (*Cursor, listen.Position, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the file is replaced, and not the link
	}
	c := &Cursor{path: path, stream: stream}
	err := c.load()
	if err == nil {
		err = c.try()
	}
	if err != nil {
		return nil, listen.Position{}, fmt.Errorf("cursor file: %w", err)
	}
	c.saved = c.document.Streams[stream]
	return c, listen.Position(c.saved), nil
}

// Save writes the position, if it is a new one, so that at any moment the file
// is either the old one or the new one.
func (c *Cursor) Save(position listen.Position) error {
	if place(position) == c.saved {
		return nil
	}
	if err := c.save(place(position)); err != nil {
		return fmt.Errorf("cursor file: %w", err)
	}
	c.saved = place(position)
	return nil
}

func (c *Cursor) save(p place) error {
	unlock := lock(filepath.Dir(c.path))
	defer unlock()
	// Another process may have written the place of another stream. No look at
	// the file tells: its inode is used again, within the tick of a clock.
	if err := c.load(); err != nil {
		return err
	}
	c.document.Streams[c.stream] = p
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(c.document); err != nil {
		return err
	}
	temporary, err := c.temporary()
	if err != nil {
		return err
	}
	_, err = temporary.Write(text.Bytes())
	if err = cmp.Or(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), c.path)
	}
	if err != nil {
		os.Remove(temporary.Name())
		return err
	}
	return nil
}

// try finds out whether a new file can be made.
func (c *Cursor) try() error {
	temporary, err := c.temporary()
	if err != nil {
		return err
	}
	return cmp.Or(temporary.Close(), os.Remove(temporary.Name()))
}

// temporary makes the file that is to take the place of the old one. No other
// process has its name, on this machine or in another container, and nobody
// could have made a link of that name before.
func (c *Cursor) temporary() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(c.path), filepath.Base(c.path)+".*.tmp")
}

// load reads the file as it is now.
func (c *Cursor) load() error {
	if info, err := os.Stat(c.path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", c.path)
	}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		c.document = document{Version: version, Streams: map[string]place{}}
		return nil
	}
	if err != nil {
		return err
	}
	var d document
	switch err := json.Unmarshal(text, &d); {
	case len(bytes.TrimSpace(text)) == 0:
		return fmt.Errorf("%s is empty; remove it to start afresh", c.path)
	case err != nil:
		return fmt.Errorf("%s is broken, or not a cursor file: %w", c.path, err)
	case d.Version == 0 || d.Streams == nil:
		return fmt.Errorf("%s is not a cursor file", c.path)
	case d.Version != version:
		return fmt.Errorf("%s has version %d, this ssectl knows version %d", c.path, d.Version, version)
	}
	c.document = d
	return nil
}
