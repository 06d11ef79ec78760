package curl

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/redact"
)

// Request returns the request for a URL as it may be typed: :8080/path is on
// this host, and no scheme means http.
func (f *Flags) Request(ctx context.Context, rawURL string) (*http.Request, error) {
	target, err := ParseURL(rawURL, f.Schemes...)
	if err != nil {
		return nil, err
	}
	body, err := f.body()
	if err != nil {
		return nil, err
	}
	method := f.Method
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	var req *http.Request
	if body == nil {
		req, err = http.NewRequestWithContext(ctx, method, target.String(), nil)
	} else {
		req, err = http.NewRequestWithContext(ctx, method, target.String(), body.reader())
	}
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "ssectl/"+f.version)
	if !f.Compressed {
		req.Header.Set("Accept-Encoding", "identity")
	}
	if body != nil {
		req.Header.Set("Content-Type", body.contentType)
	}
	return req, f.setHeaders(req)
}

func (f *Flags) setHeaders(req *http.Request) error {
	if f.UserAgent != "" {
		req.Header.Set("User-Agent", f.UserAgent)
	}
	if f.User != "" {
		name, password, ok := strings.Cut(f.User, ":")
		if !ok {
			return fmt.Errorf("--user: want user:password")
		}
		req.SetBasicAuth(name, password)
	}
	if f.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+f.Bearer)
	}
	for _, cookies := range f.Cookies {
		if strings.Contains(cookies, "=") {
			line := strings.TrimPrefix(req.Header.Get("Cookie")+"; "+cookies, "; ")
			req.Header.Set("Cookie", line)
		}
	}
	for name, values := range req.Header {
		if !httpx.IsFieldValue(values[0]) {
			return controlError(name)
		}
	}
	seen := map[string]bool{}
	for _, header := range f.Headers {
		lines := []string{header}
		if file, ok := strings.CutPrefix(header, "@"); ok {
			text, err := f.readFile(file)
			if err != nil {
				return fmt.Errorf("headers: %w", err)
			}
			lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#") })
		}
		for _, line := range lines {
			if err := setHeader(req, line, seen); err == errNoColon {
				return fmt.Errorf("--header: %w", err)
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// GivesCredentials reports whether the flags have any, as far as the names of
// headers show.
func (f *Flags) GivesCredentials() bool {
	return f.User != "" || f.Bearer != "" || f.Cookies != nil || slices.ContainsFunc(f.Headers, func(header string) bool {
		name, _, _ := strings.Cut(header, ":")
		return redact.Name(name)
	})
}

// Gives reports whether a --header is of the given name.
func (f *Flags) Gives(name string) bool {
	return slices.ContainsFunc(f.Headers, func(header string) bool {
		given, _, _ := strings.Cut(header, ":")
		return strings.EqualFold(strings.TrimSpace(given), name)
	})
}

// SetHeaders sets headers as --header does, in place of those that the request has
// under their names.
func SetHeaders(req *http.Request, lines []string) error {
	seen := map[string]bool{}
	for _, line := range lines {
		if err := setHeader(req, line, seen); err != nil {
			return err
		}
	}
	return nil
}

var errNoColon = errors.New(`no colon; want "Name: value"`)

func controlError(name string) error {
	return fmt.Errorf("header %s has a control character in its value", name)
}

// setHeader applies a -H as curl does: "Name: value" sets a header, "Name:" removes
// it, "Name;" sends it empty. The first of a name replaces the default, further
// ones are added.
func setHeader(req *http.Request, line string, seen map[string]bool) error {
	if strings.TrimSpace(line) == "" {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	empty := false
	if !ok {
		name, empty = strings.CutSuffix(strings.TrimSpace(line), ";")
		if !empty {
			return errNoColon
		}
	}
	name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case !httpx.IsToken(name):
		return fmt.Errorf("invalid header name %q", name)
	case !httpx.IsFieldValue(value):
		return controlError(name)
	case value == "" && !empty && (name == "Transfer-Encoding" || name == "Content-Length" && req.ContentLength == 0):
		// There is none to leave out.
	case name == "Content-Length" && value != strconv.FormatInt(req.ContentLength, 10):
		return fmt.Errorf("header Content-Length: want %d, the size of the body", req.ContentLength)
	case name == "Transfer-Encoding" && !strings.EqualFold(value, "chunked"):
		return errors.New("header Transfer-Encoding: want chunked")
	case name == "Transfer-Encoding":
		req.TransferEncoding = []string{"chunked"}
	case name == "Host" && value != "":
		req.Host = value
	case value == "" && !empty:
		req.Header[name] = nil // a nil slice keeps net/http and listen from adding theirs
	case seen[name]:
		req.Header.Add(name, value)
	default:
		req.Header.Set(name, value)
	}
	seen[name] = true
	return nil
}

// readFile reads a file, or standard input for "-".
func (f *Flags) readFile(name string) ([]byte, error) {
	if name == "-" {
		return readAll(f.streams.In)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file)
}
