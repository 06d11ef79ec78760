package cmd

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// parseShare reads a share of a whole: 20%, or 0.2.
func parseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("--jitter %q: want a share from 0%% to 100%%", text)
	}
	return share, nil
}

// rounds returns how often everything is sent, -1 for without end.
func (opts *serveOptions) rounds() (int, error) {
	switch opts.Loop {
	case "":
		return 1, nil
	case "forever":
		return -1, nil
	}
	n, err := strconv.Atoi(opts.Loop)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("--loop %q: want a number from 1 on", opts.Loop)
	}
	return n, nil
}

func parseServeHeaders(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsFunc(name, notToken) || strings.ContainsFunc(value, isControl) {
			return nil, fmt.Errorf("--header %q: want \"Name: value\"", line)
		}
		header.Add(name, value)
	}
	return header, nil
}

// notToken reports whether r cannot be in the name of a header
// (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
