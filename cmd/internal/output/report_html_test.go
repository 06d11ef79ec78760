package output

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag"
)

// hostile are parts of texts that break out of markup, attributes, scripts and comments.
var hostile = []string{
	"</script><script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "<!--", "-->", "]]>", "</style>", "' onmouseover='", "{{.}}",
	"\x1b[2J", "\u202e", "\u2028", "\x00", "\xff\xfe", "javascript:alert(1)", "&lt;", "`${1}`", "</svg></figure></details></table>", "\r\n\r\n",
}

// TestReportHTMLHostile puts generated texts wherever a server has a say, and wants no
// markup of theirs in the page.
func TestReportHTMLHostile(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	text := func() string {
		var text strings.Builder
		for range 1 + random.IntN(5) {
			text.WriteString(hostile[random.IntN(len(hostile))])
		}
		return text.String()
	}
	var plain bytes.Buffer
	report := sampleReports()["whole"]
	if err := WriteReportHTML(&plain, report, ReportStyle{}); err != nil {
		t.Fatal(err)
	}
	want := elements(t, plain.Bytes())
	for range 200 {
		report := sampleReports()["whole"]
		report.URL, report.Path.Hops = text(), []diag.Hop{{Name: text(), By: text()}}
		report.Path.Protocol, report.Path.TLS = text(), text()
		for i := range report.Checks {
			c := &report.Checks[i]
			c.Actual = text()
			if c.Seen != "" {
				c.Seen = text()
			}
			for key := range c.Evidence {
				c.Evidence[key] = text()
			}
			for j := range c.Remedies {
				c.Remedies[j].Text = text()
			}
		}
		for i := range report.Connections {
			report.Connections[i].Request = map[string]string{"Accept": text(), "Cookie": text()}
			report.Connections[i].Method = text()
		}
		for i := range report.Timelines {
			line := &report.Timelines[i]
			line.Encoding = text()
			for j := range line.Spans {
				line.Spans[j].Text = text()
			}
		}
		var page bytes.Buffer
		if err := WriteReportHTML(&page, report, ReportStyle{}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(page.String(), "\x1b\x00\u202e") {
			t.Fatal("control characters of a server in the page")
		}
		if got := elements(t, page.Bytes()); got != want {
			t.Fatalf("the text of a server changed the markup: got\n%s\nwant\n%s", got, want)
		}
	}
}

// elements returns the elements of a page and the names of their attributes, and fails
// unless they are nested well.
func elements(t *testing.T, page []byte) string {
	t.Helper()
	// The two elements whose content is no markup, as a parser of HTML reads them.
	for _, name := range []string{"style", "script"} {
		for open := "<" + name; bytes.Contains(page, []byte(open)); {
			begin := bytes.Index(page, []byte(open))
			end := begin + bytes.Index(page[begin:], []byte("</"+name+">"))
			page = append(append(bytes.Clone(page[:begin]), "<raw/>"...), page[end+len("</"+name+">"):]...)
		}
	}
	page = regexp.MustCompile(`<(meta|br)\b([^>]*)>`).ReplaceAll(page, []byte("<$1$2/>"))
	dec := xml.NewDecoder(bytes.NewReader(page))
	var list strings.Builder
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return list.String()
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, page)
		}
		if start, ok := token.(xml.StartElement); ok {
			fmt.Fprintf(&list, "%s", start.Name.Local)
			for _, a := range start.Attr {
				fmt.Fprintf(&list, " %s", a.Name.Local)
			}
			list.WriteByte('\n')
		}
	}
}

// TestReportHTMLBounded wants a page of bounded size from the largest report.
func TestReportHTMLBounded(t *testing.T) {
	report := sampleReports()["whole"]
	report.Timelines = nil
	for i := range 12 {
		line := diag.Timeline{Role: "a", Headers: 1, End: time.Hour, EndedBy: "client"}
		for j := range 800 >> min(i/5, 1) {
			at := time.Duration(j) * time.Second
			line.Arrivals = append(line.Arrivals, diag.Arrival{From: at, To: at, Bytes: j * 1000, Whole: j * 900, Events: 3, Comments: 1})
		}
		report.Timelines = append(report.Timelines, line)
	}
	var page bytes.Buffer
	if err := WriteReportHTML(&page, report, ReportStyle{}); err != nil {
		t.Fatal(err)
	}
	if page.Len() > 2<<20 {
		t.Errorf("a page of %d bytes", page.Len())
	}
}
