package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/ssectl/ssectl/cmd/internal/term"
	"github.com/ssectl/ssectl/pkg/stream"
)

// The text form is a line for each event, as long as it is one:
//
//	22:45:01.123  +15ms  message  7  {"n":1}
//
// Type and ID have columns as wide as the widest so far, within bounds.
const (
	maxColumn  = 24
	minData    = 30 // narrower than that, the data goes below the head
	dataIndent = 4  // and is indented so far

	manyLines = 1000 // data of more goes there too, as indenting it takes memory
)

type textFormat struct {
	EventOptions
	last      time.Time
	typeWidth int
	idWidth   int
}

func newTextFormat(options EventOptions) EventFormat {
	f := &textFormat{EventOptions: options, typeWidth: len(stream.DefaultType)}
	return f.append
}

func (f *textFormat) append(dst []byte, b *stream.Block, at time.Time) []byte {
	comment, isComment := b.Comment()
	retry, hasRetry := b.Retry()
	if !b.IsEvent() && !isComment && !b.HasID() && !hasRetry {
		return dst
	}
	line := folder{dst: dst, width: f.Width, colors: f.Colors}
	line.put(f.Colors.Faint, at.Local().Format("15:04:05.000"))
	line.put(f.Colors.Faint, fmt.Sprintf(" %8s  ", f.gap(at)))
	if line.indent = dataIndent; f.Width-line.column >= minData {
		line.indent = line.column
	}
	switch {
	case isComment:
		line.put(f.Colors.Faint, ": "+Safe(string(comment)))
	case b.IsEvent():
		f.head(&line, b)
		f.data(&line, b.Data())
	default:
		var said []string
		if b.HasID() {
			said = append(said, "id: "+Safe(string(b.ID())))
		}
		if hasRetry {
			said = append(said, "retry: "+retry.String())
		}
		line.put(f.Colors.Faint, strings.Join(said, ", "))
	}
	return append(line.dst, '\n')
}

// head puts type and ID into their columns, which leave room for the data.
func (f *textFormat) head(line *folder, b *stream.Block) {
	widest := maxColumn
	if f.Width > 0 {
		widest = min(widest, max(f.Width/4, len(stream.DefaultType)))
	}
	column := func(style term.Style, text string, width *int) {
		*width = min(max(*width, cells(text)), widest)
		line.put(style, text)
		blanks := max(*width-cells(text), 0) + 2
		if f.Width > 0 {
			blanks = min(blanks, f.Width-line.column) // the edge separates too
		}
		line.put(nil, strings.Repeat(" ", max(blanks, 0)))
	}
	column(f.Colors.Type, Safe(string(b.Type())), &f.typeWidth)
	switch {
	case b.HasID() && len(b.ID()) == 0:
		column(f.Colors.ID, `""`, &f.idWidth)
	case b.HasID():
		column(f.Colors.ID, Safe(string(b.ID())), &f.idWidth)
	case f.idWidth > 0:
		column(f.Colors.ID, "", &f.idWidth)
	}
}

// data puts the data where the head ends, or below it where that is too far to
// the right. JSON is colored by meaning, its text stays as it is.
func (f *textFormat) data(line *folder, data []byte) {
	line.indent = line.column
	if f.Width > 0 && f.Width-line.column < minData || bytes.Count(data, []byte("\n")) > manyLines {
		line.indent = dataIndent
		line.newline()
	}
	isJSON := json.Valid(data)
	if isJSON && f.Pretty {
		var indented bytes.Buffer
		if json.Indent(&indented, data, "", "  ") == nil {
			data = indented.Bytes()
		}
	}
	first := true
	for text := range bytes.SplitSeq(data, []byte("\n")) {
		if !first {
			line.newline()
		}
		first = false
		switch {
		case isJSON:
			line.putJSON(text)
		case line.width == 0:
			line.begin(len(text))
			line.dst = appendSafeLine(line.dst, text) // as nothing is folded
		default:
			line.put(nil, Safe(string(text)))
		}
	}
}

// gap is the time since the block before, to three digits.
func (f *textFormat) gap(at time.Time) string {
	last := f.last
	f.last = at
	if last.IsZero() {
		return ""
	}
	return "+" + Duration(at.Sub(last))
}

// Duration returns a time as people read it, to three digits or so.
func Duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// A folder builds lines that are no wider than the terminal. Text that goes over
// the edge goes on below, indented; nothing of it is lost.
type folder struct {
	dst    []byte
	colors term.Colors
	width  int // 0 for any
	indent int
	column int
	fresh  bool // a line, nothing of which is there yet
}

// A styler returns how long the piece is that a text begins with, and its style,
// nil for none.
type styler func(text string) (n int, style term.Style)

func (l *folder) newline() {
	l.dst = append(l.dst, '\n')
	l.column, l.fresh = l.indent, true
}

// begin indents a fresh line, if there are n bytes to come. An empty one stays
// empty.
func (l *folder) begin(n int) {
	if !l.fresh || n == 0 {
		return
	}
	l.fresh = false
	for range l.indent {
		l.dst = append(l.dst, ' ')
	}
}

// put adds text that is safe to show and has no line end.
func (l *folder) put(style term.Style, text string) {
	l.fold(text, func(text string) (int, term.Style) { return len(text), style })
}

// fold adds a text, piece by piece, over as many lines as it needs.
func (l *folder) fold(text string, next styler) {
	var (
		left  int // of the piece
		style term.Style
	)
	for text != "" {
		n, wide := len(text), 0
		if l.width > 0 {
			n, wide = fitting(text, l.width-l.column)
			if n == 0 && l.column > l.indent {
				l.newline()
				continue
			}
			if n == 0 { // wider than a line: it cannot be helped
				_, n = utf8.DecodeRuneInString(text)
			}
		} else {
			wide = cells(text)
		}
		folds := n < len(text)
		if folds {
			edge := n
			n = foldAt(text, n)
			// Asked once at most, as a huge text goes on at the indent.
			if l.column > l.indent && (n == edge || !strings.Contains(text, " ")) && cells(text) <= l.width-l.indent {
				l.newline() // where it fits as a whole
				continue
			}
		}
		for line := text[:n]; line != ""; {
			if left == 0 {
				left, style = next(text[n-len(line):])
			}
			size := min(left, len(line))
			l.show(style, line[:size])
			line, left = line[size:], left-size
		}
		text = text[n:]
		l.column += wide
		if folds {
			l.newline()
		}
	}
}

func (l *folder) show(style term.Style, text string) {
	l.begin(len(text))
	if style != nil && strings.TrimSpace(text) != "" {
		text = style(text)
	}
	l.dst = append(l.dst, text...)
}

// foldAt returns where to fold a text of which n bytes fit into a line: after a
// blank or a comma near the edge, else after other punctuation, else at the edge.
func foldAt(text string, n int) int {
	near := n - n/3
	if i := strings.LastIndexAny(text[near:n], " \t,"); i >= 0 {
		return near + i + 1
	}
	for i := n - 1; i >= near; i-- {
		if strings.IndexByte(";:/&?=|)]}-_.", text[i]) >= 0 && strings.IndexByte(",;:)]}", text[i+1]) < 0 {
			return i + 1
		}
	}
	return n
}

// putJSON adds a line of JSON text, colored. To be made safe, a string may get
// escapes that are not JSON's, but no quote.
func (l *folder) putJSON(text []byte) { l.fold(Safe(string(text)), l.jsonPiece) }

func (l *folder) jsonPiece(text string) (n int, style term.Style) {
	const punctuation = "{}[],:"
	switch c := text[0]; {
	case c == '"':
		n = stringEnd(text)
		if strings.HasPrefix(strings.TrimLeft(text[n:], " \t"), ":") {
			return n, l.colors.Key
		}
		return n, l.colors.Text
	case strings.IndexByte(punctuation, c) >= 0:
		return 1, l.colors.Faint
	}
	// A number, a literal, blanks.
	if n = strings.IndexAny(text, punctuation+`"`); n < 0 {
		n = len(text)
	}
	return n, nil
}

// stringEnd returns the length of the JSON string that text begins with.
func stringEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// fitting returns how many bytes of text fit into so many columns, and how many
// columns they take.
func fitting(text string, columns int) (n, used int) {
	for i, r := range text {
		w := runeCells(r)
		if used+w > columns {
			return i, used
		}
		used += w
	}
	return len(text), used
}

// cells returns how many columns text takes.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	switch {
	case r == '\t':
		return 8 // at most
	case r < 0x7f:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
