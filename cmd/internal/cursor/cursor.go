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
	"reflect"
	"time"

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

	RetryMS *int64 `json:"retry_ms,omitempty"` // the reconnection time that the server gave
	Rest    *Rest  `json:"rest,omitempty"`
}

func (p place) position() listen.Position {
	return listen.Position{LastEventID: p.LastEventID, Offset: p.Offset, Checksum: p.Checksum, Validator: p.Validator}
}

// A Rest is what is known of an answer whose rest is fetched by another request
// than the one that asked for it. It holds no credentials.
type Rest struct {
	// Asked is true from before the first request on: it is not sent again.
	Asked bool `json:"asked"`

	Ended    string            `json:"ended,omitempty"` // [Complete] or [Failed]
	ID       json.RawMessage   `json:"id,omitempty"`
	Position json.RawMessage   `json:"position,omitempty"`
	Count    int64             `json:"count,omitempty"` // of events
	First    json.RawMessage   `json:"first,omitempty"` // event
	Response map[string]string `json:"response,omitempty"`
	Request  *Request          `json:"request,omitempty"`
}

// The ways in which an answer ends for good.
const (
	Complete = "complete"
	Failed   = "failed"
)

// A Request is the one for the rest of an answer.
type Request struct {
	Method  string            `json:"method,omitempty"` // GET if empty
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`

	// Query names the parameters that the URL has in common with that of the
	// first request, which the command line gives again.
	Query []string `json:"query,omitempty"`
}

// A Cursor is the place of one stream in a file that may hold those of others.
type Cursor struct {
	path, stream string
	document     document
	saved        place
	now          place // all but the position
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
	c.now = c.saved
	return c, c.saved.position(), nil
}

// Rest returns the rest of an answer that the file holds, nil if none.
func (c *Cursor) Rest() *Rest { return c.now.Rest }

// SetRest sets the rest that is saved with the next position, nil for none.
func (c *Cursor) SetRest(rest *Rest) { c.now.Rest = rest }

// Retry returns the reconnection time that the file holds, and whether it does.
func (c *Cursor) Retry() (time.Duration, bool) {
	if c.now.RetryMS == nil {
		return 0, false
	}
	return time.Duration(max(*c.now.RetryMS, 0)) * time.Millisecond, true
}

// SetRetry sets the reconnection time that is saved with the next position.
func (c *Cursor) SetRetry(d time.Duration) {
	ms := d.Milliseconds()
	c.now.RetryMS = &ms
}

// Save writes the position, if it is a new one, so that at any moment the file
// is either the old one or the new one.
func (c *Cursor) Save(position listen.Position) error {
	p := c.now
	p.LastEventID, p.Offset, p.Checksum, p.Validator = position.LastEventID, position.Offset, position.Checksum, position.Validator
	if reflect.DeepEqual(p, c.saved) {
		return nil
	}
	if err := c.save(p); err != nil {
		return fmt.Errorf("cursor file: %w", err)
	}
	c.saved = p
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
