package output

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.Local)

// format returns the blocks of a stream in a form, a second between them.
func format(t *testing.T, name string, options EventOptions, text string) string {
	t.Helper()
	if options.Colors.Strong == nil {
		options.Colors = term.NewColors(false)
	}
	show := EventFormats[name](options)
	var out []byte
	at := noon
	for b, err := range stream.NewDecoder(strings.NewReader(text)).Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		out = show(out, b, at)
		at = at.Add(time.Second)
	}
	return string(out)
}

func TestEventFormats(t *testing.T) {
	const text = ": hello\n\nevent: tick\nid: 7\ndata: {\"n\": [1, \"a\"]}\n\nretry: 1500\n\nid: 8\n\nid\ndata: two\ndata: lines \x1b[2J\n\nevent: none\n\n\n"
	for _, test := range []struct {
		format   string
		options  EventOptions
		want     string
		terminal bool
	}{
		{format: "json", want: `{"comment":"hello","time":"2026-11-21T12:00:00.123456Z"}
{"event":"tick","id":"7","data":"{\"n\": [1, \"a\"]}","time":"2026-11-21T12:00:01.123456Z"}
{"retry":1500,"time":"2026-11-21T12:00:02.123456Z"}
{"id":"8","time":"2026-11-21T12:00:03.123456Z"}
{"event":"message","id":"","data":"two\nlines \u001b[2J","time":"2026-11-21T12:00:04.123456Z"}
`},
		{format: "data", want: "{\"n\": [1, \"a\"]}\ntwo\nlines \x1b[2J\n"},
		{format: "data", options: EventOptions{Terminal: true}, want: "{\"n\": [1, \"a\"]}\ntwo\nlines \\x1b[2J\n"},
		{format: "raw", want: text},
		{format: "raw", options: EventOptions{Terminal: true}, want: strings.ReplaceAll(text, "\x1b", `\x1b`)},
		{format: "text", want: `12:00:00.123           : hello
12:00:01.123      +1s  tick     7  {"n": [1, "a"]}
12:00:02.123      +1s  retry: 1.5s
12:00:03.123      +1s  id: 8
12:00:04.123      +1s  message  ""  two
                                    lines \x1b[2J
`},
		{format: "text", options: EventOptions{Pretty: true, Width: 44}, want: `12:00:00.123           : hello
12:00:01.123      +1s  tick     7  
    {
      "n": [
        1,
        "a"
      ]
    }
12:00:02.123      +1s  retry: 1.5s
12:00:03.123      +1s  id: 8
12:00:04.123      +1s  message  ""  
    two
    lines \x1b[2J
`},
	} {
		t.Run(test.format, func(t *testing.T) {
			defer func(zone *time.Location) { time.Local = zone }(time.Local)
			time.Local = time.UTC
			noon = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)
			if got := format(t, test.format, test.options, text); got != test.want {
				t.Errorf("%+v\ngot  %q\nwant %q", test.options, got, test.want)
			}
		})
	}
}

// TestTextIsExact folds long texts: no line is wider than the terminal, and all
// of the text is there.
func TestTextIsExact(t *testing.T) {
	for _, data := range []string{
		strings.Repeat("0123456789", 30),
		strings.Repeat("满潮 é\u0301 🌊 ", 40),
		`{"key": "` + strings.Repeat("日本語 text ", 30) + `", "n": [1, 2.50, true, null], "quote": "\"\\"}`,
	} {
		for _, width := range []int{40, 61, 80} {
			out := format(t, "text", EventOptions{Width: width}, "data: "+data+"\n\n")
			var all strings.Builder
			for n, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
				if cells(line) > width {
					t.Errorf("width %d: line of %d: %q", width, cells(line), line)
				}
				switch {
				case n == 0 && width < 60:
					continue // the head alone
				case n == 0:
					line = line[strings.Index(line, "message  ")+len("message  "):]
				default:
					line = line[min(len(line), len(line)-len(strings.TrimLeft(line, " "))):]
				}
				all.WriteString(line)
			}
			squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
			if squeeze(all.String()) != squeeze(data) {
				t.Errorf("width %d: %q\nwant %q", width, all.String(), data)
			}
		}
	}
}

// TestTextFoldsWhereItReads folds between words and JSON values where there is
// one near the edge.
func TestTextFoldsWhereItReads(t *testing.T) {
	const text = "data: " + `{"type":"delta","index":0,"text":"The quick brown fox jumps over the lazy dog.","tokens":99}` + "\n\n" +
		"data: words that are longer than the terminal is wide\n\n" +
		"data: https://example.com/a/rather/long/address/of/a/thing?and=its&query=string\n\n" +
		"data: 0123456789012345678901234567890123456789012345\n\n" +
		": a comment that is longer than the terminal is wide\n\n"
	got := format(t, "text", EventOptions{Width: 64}, text)
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.TrimRight(line[min(len(line), 23):], " \n"))
	}
	want := []string{
		`message  {"type":"delta","index":0,`,
		`         "text":"The quick brown fox`,
		`         jumps over the lazy dog.",`,
		`         "tokens":99}`,
		`message  words that are longer than the`,
		`         terminal is wide`,
		`message  https://example.com/a/rather/`,
		`         long/address/of/a/thing?and=its&`,
		`         query=string`,
		`message  01234567890123456789012345678901`,
		`         23456789012345`,
		`: a comment that is longer than the`,
		`terminal is wide`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestTextIsNarrow keeps the head together where it fits, and the data readable.
func TestTextIsNarrow(t *testing.T) {
	const text = "event: a-type-that-is-wider-than-any-column\nid: urn:uuid:0b1c2d3e-4f50-6172\ndata: long head\n\n" +
		"event: x\nid\ndata: short head\n\n" +
		"data: a\tb\tc\td\te\tf\tg\n\n"
	for width, want := range map[int][]string{
		44: {
			"",
			"    a-type-that-is-wider-than-any-column",
			"    urn:uuid:0b1c2d3e-4f50-6172",
			"    long head",
			`x            ""`,
			"    short head",
			"message",
			"    a\tb\tc\td\t",
			"    e\tf\tg",
		},
		80: {
			"a-type-that-is-wider-than-any-column",
			"                       urn:uuid:0b1c2d3e-4f50-6172",
			"    long head",
			`x                     ""`,
			"    short head",
			"message",
			"    a\tb\tc\td\te\tf\tg",
		},
		140: {
			"a-type-that-is-wider-than-any-column  urn:uuid:0b1c2d3e-4f50-6172  long head",
			`x                         ""                        short head`,
			"message                                             a\tb\tc\td\te\tf\tg",
		},
	} {
		var got []string
		for line := range strings.Lines(format(t, "text", EventOptions{Width: width}, text)) {
			if !strings.HasPrefix(line, " ") {
				line = line[23:] // time and gap
			}
			got = append(got, strings.TrimRight(line, " \n"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("width %d: got\n%s\nwant\n%s", width, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestTextColorsByMeaning(t *testing.T) {
	plain := format(t, "text", EventOptions{}, "id: 1\ndata: {\"a\":\"b\"}\n\n")
	colored := format(t, "text", EventOptions{Colors: term.NewColors(true)}, "id: 1\ndata: {\"a\":\"b\"}\n\n")
	for _, want := range []string{"\x1b[36mmessage", "\x1b[35m1", "\x1b[34m\"a\"", "\x1b[32m\"b\""} {
		if !strings.Contains(colored, want) {
			t.Errorf("no %q in %q", want, colored)
		}
	}
	if strings.Contains(plain, "\x1b") {
		t.Errorf("colors in %q", plain)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0s",
		1234 * time.Nanosecond:  "1µs",
		1234 * time.Microsecond: "1.23ms",
		12345678:                "12ms",
		1234567890:              "1.23s",
		90 * time.Second:        "1m30s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}
