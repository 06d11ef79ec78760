package curl

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// maxFile is the size up to which a file or standard input is read for a request.
const maxFile = 1 << 30

// A bodyPart is one --data, --data-raw, --data-binary or --json, in the order
// of the command line.
type bodyPart struct {
	flag, value string
}

// A requestBody is the body parts put together.
type requestBody struct {
	data        []byte
	contentType string
}

func (b *requestBody) reader() *bytes.Reader { return bytes.NewReader(b.data) }

// partFlag appends to the parts that all body flags share.
type partFlag struct {
	name  string
	parts *[]bodyPart
}

func (f partFlag) Set(value string) error {
	*f.parts = append(*f.parts, bodyPart{f.name, value})
	return nil
}
func (f partFlag) String() string { return "" }
func (f partFlag) Type() string   { return "data" }

func (f *Flags) bindBody(flags *pflag.FlagSet) {
	flags.VarP(partFlag{"data", &f.Body}, "data", "d", "send this `data`, or that of @file without line breaks, by POST")
	flags.Var(partFlag{"data-raw", &f.Body}, "data-raw", "send this `data`; a leading @ has no meaning")
	flags.Var(partFlag{"data-binary", &f.Body}, "data-binary", "send this `data`, or that of @file with its line breaks")
	flags.Var(partFlag{"json", &f.Body}, "json", "send this JSON `data`, or that of @file, with its content type")
}

// body puts the parts together as curl does: data parts with & between them,
// JSON parts with nothing. It is nil if there are none.
func (f *Flags) body() (*requestBody, error) {
	if f.Body == nil {
		return nil, nil
	}
	body := &requestBody{contentType: "application/x-www-form-urlencoded"}
	for i, part := range f.Body {
		data, err := f.partData(part)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", part.flag, err)
		}
		if part.flag == "json" {
			body.contentType = "application/json"
		} else if i > 0 {
			body.data = append(body.data, '&')
		}
		body.data = append(body.data, data...)
	}
	return body, nil
}

func (f *Flags) partData(part bodyPart) ([]byte, error) {
	file, isFile := strings.CutPrefix(part.value, "@")
	if !isFile || part.flag == "data-raw" {
		return []byte(part.value), nil
	}
	data, err := f.readFile(file)
	if part.flag == "data" {
		data = slices.DeleteFunc(data, func(c byte) bool { return c == '\r' || c == '\n' || c == 0 })
	}
	return data, err
}

// ReadData returns a text of the command line, or that of @file.
func (f *Flags) ReadData(text string) ([]byte, error) {
	return f.partData(bodyPart{value: text})
}

// readAll reads all of r, up to maxFile.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	return data, err
}
