package cmd

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/cli"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

const (
	pictureWidth = 96 // columns of the terminal
	pictureFile  = "../docs/session.svg"
)

// pictureEvents are the events of the server in the picture.
const pictureEvents = `{"event":"price","id":"1","data":{"symbol":"ACME","price":101.25,"size":30}}
{"event":"price","id":"2","data":{"symbol":"ACME","price":101.31,"size":12},"delay":"300ms"}
{"event":"news","id":"3","data":"Harbour reopens\nafter the storm","delay":"450ms"}
{"event":"price","id":"4","data":{"symbol":"ACME","price":99.8,"size":400},"delay":"200ms"}
{"event":"done","id":"5","data":"","delay":"100ms"}
`

// TestPicture checks the content of docs/session.svg. With -update it
// runs the session, on a terminal 96 columns wide, and draws it as it was
// printed: go test ./cmd -run TestPicture -update.
func TestPicture(t *testing.T) {
	if *Update {
		if err := os.WriteFile(pictureFile, drawScreen(runPicture(t)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	picture, err := os.ReadFile(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(picture, new(struct{})); err != nil {
		t.Fatalf("the picture is no XML: %v", err)
	}
	for _, want := range []string{"resumed after id", "buffer-proxy", "1 failed"} {
		if !bytes.Contains(picture, []byte(svgText(want))) {
			t.Errorf("%q is not in the picture", want)
		}
	}
}

// runPicture runs the session and returns its output.
func runPicture(t *testing.T) string {
	var screen screen
	terminal := &term.Streams{
		In: strings.NewReader(""), Out: &screen, Err: &screen,
		OutTerminal: true, ErrTerminal: true, Width: pictureWidth,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := demo{ctx: ctx, streams: terminal, colors: term.NewColors(true)}

	feed := d.pictureServer(t, "--from", "jsonl", "--pace", "recorded", "--fault", "drop@3", "--retry-hint", "1s")
	fmt.Fprintf(&screen, "$ ssectl listen %s\n", feed)
	if code := Run(ctx, terminal, []string{"listen", feed}); code != cli.ExitOK {
		t.Fatalf("listen: exit code %d\n%s", code, screen.text())
	}
	buffered := d.pictureServer(t, "--clock", "25ms", "--fault", "buffer=1k")
	diagnose := []string{"diag", buffered, "--only", "buffer-proxy,headers-early,content-type"}
	fmt.Fprintf(&screen, "\n$ ssectl %s\n", strings.Join(diagnose, " "))
	if code := Run(ctx, terminal, diagnose); code != cli.ExitFailed {
		t.Fatalf("diag of a buffered stream: exit code %d\n%s", code, screen.text())
	}
	return screen.text()
}

// pictureServer starts a server that ends with the test, and returns its URL.
func (d *demo) pictureServer(t *testing.T, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(d.ctx)
	read, write := io.Pipe()
	streams := &term.Streams{In: strings.NewReader(pictureEvents), Out: write, Err: io.Discard}
	var running sync.WaitGroup
	running.Go(func() {
		Run(ctx, streams, append([]string{"serve", "--port", "0", "--print-url"}, flags...))
		write.Close()
	})
	t.Cleanup(func() {
		cancel()
		read.Close()
		running.Wait()
	})
	var url string
	if _, err := fmt.Fscanln(read, &url); err != nil {
		t.Fatal(err)
	}
	return url
}

// A screen collects the output of both streams of a command, in order.
type screen struct {
	mu  sync.Mutex // guards all
	all bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// escape is an SGR sequence, which sets the color of a terminal.
var escape = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// drawScreen makes an SVG of the text as a terminal shows it.
func drawScreen(text string) []byte {
	const lineHeight, margin = 19, 20
	const textWidth = pictureWidth * 843 / 100 // of a usual font of 14 pixels
	var lines []string
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		lines = append(lines, wrapLine(strings.TrimSuffix(line, "\n"))...)
	}
	var svg bytes.Buffer
	width, height := textWidth+2*margin, len(lines)*lineHeight+2*margin
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="A terminal session: ssectl listen resumes after a cut, ssectl diag finds a buffering proxy">
<style>
rect{fill:#14181f}
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dce2;white-space:pre}
.c1{font-weight:bold}.c2{fill:#8791a0}.c31{fill:#ff7b72}.c32{fill:#7ee787}.c33{fill:#e3b341}.c34{fill:#79c0ff}.c35{fill:#d2a8ff}.c36{fill:#76e3ea}
</style>
<rect width="100%%" height="100%%" rx="10"/>
`, width, height, width, height)
	for i, line := range lines {
		fmt.Fprintf(&svg, `<text x="%d" y="%d">`, margin, margin+14+i*lineHeight)
		drawLine(&svg, line)
		svg.WriteString("</text>\n")
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

// svgText returns text whose blanks stay, also where a renderer folds them and
// knows no white-space of CSS.
func svgText(s string) string { return strings.ReplaceAll(html.EscapeString(s), " ", "\u00a0") }

// drawLine turns the escapes of a line into classes.
func drawLine(svg *bytes.Buffer, line string) {
	var classes []string
	put := func(s string) {
		switch {
		case s == "":
		case classes == nil:
			svg.WriteString(svgText(s))
		default:
			fmt.Fprintf(svg, `<tspan class="%s">%s</tspan>`, strings.Join(classes, " "), svgText(s))
		}
	}
	for {
		at := escape.FindStringSubmatchIndex(line)
		if at == nil {
			put(line)
			return
		}
		put(line[:at[0]])
		for code := range strings.SplitSeq(line[at[2]:at[3]], ";") {
			if code == "" || code == "0" || code == "22" {
				classes = nil
			} else {
				classes = append(classes, "c"+code)
			}
		}
		line = line[at[1]:]
	}
}

// wrapLine cuts a line where the terminal would. Lines that are too long have
// no color, or the picture would lose it.
func wrapLine(line string) (lines []string) {
	for r := []rune(line); !escape.MatchString(line) && len(r) > pictureWidth; r = []rune(line) {
		lines, line = append(lines, string(r[:pictureWidth])), string(r[pictureWidth:])
	}
	return append(lines, line)
}
