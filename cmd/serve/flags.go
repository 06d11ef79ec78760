package servecmd

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
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
func (opts *options) rounds() (int, error) {
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

func parseHeaders(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpx.IsHeaderName(name) || !httpx.IsHeaderValue(value) {
			return nil, fmt.Errorf("--header %q: want \"Name: value\"", line)
		}
		header.Add(name, value)
	}
	return header, nil
}
