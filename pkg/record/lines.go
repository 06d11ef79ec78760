package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A LineError describes an error in one line of a file. Reading can go on after
// it.
type LineError struct {
	Line   int // from 1
	Column int // in bytes from 1; 0 if the error is about the whole line
	Err    error
}

func (e *LineError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d: column %d: %v", e.Line, e.Column, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

func isLineError(err error) bool {
	var bad *LineError
	return errors.As(err, &bad)
}

// ErrLineTooLong is wrapped by the [LineError] of a line beyond
// [Reader.MaxLineSize].
var ErrLineTooLong = errors.New("line is too long")

// A lineReader reads lines of any length up to a limit, and counts them.
type lineReader struct {
	r       *bufio.Reader
	long    []byte // a line that did not fit the buffer of r
	number  int    // of the line read last, from 1
	skipBOM bool   // at the start of the input
}

func newLineReader(r io.Reader) lineReader {
	return lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next line without its line end, valid until the next call. A
// line beyond limit is skipped whole, with [ErrLineTooLong].
func (l *lineReader) next(limit int) ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		l.long = append(l.long[:0], line...)
		for err == bufio.ErrBufferFull {
			line, err = l.r.ReadSlice('\n')
			if len(l.long) <= limit+len(bom) {
				l.long = append(l.long, line...)
			}
		}
		line = l.long
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	l.number++
	if l.number == 1 && l.skipBOM {
		line = bytes.TrimPrefix(line, bom)
	}
	if line = bytes.TrimSuffix(line, lf); len(line) > limit {
		return nil, ErrLineTooLong
	}
	return line, nil
}
