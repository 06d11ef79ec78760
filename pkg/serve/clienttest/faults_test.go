package clienttest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A breakage is a set of faults.
type breakage struct {
	flags string // values of --fault

	// cut means that the answer ends too early, and a client must notice.
	cut bool

	// harmless means that no client may notice.
	harmless bool

	// once means that each scenario needs a server of its own.
	once bool
}

var breakages = []breakage{
	{flags: "drop@2", cut: true},
	{flags: "reset@2", cut: true},
	{flags: "truncate@2", cut: true},
	{flags: "status=429:#1", once: true},
	{flags: "status=429"},
	{flags: "garble@2"},
	{flags: "type=text/plain"},
	{flags: "chunk=1 bom eol=crlf", harmless: true},
	{flags: "gzip split-utf8", harmless: true},
}

func (b *breakage) args() (args []string) {
	for flag := range strings.FieldsSeq(b.flags) {
		args = append(args, "--fault", flag)
	}
	return args
}

// A place is where faults are made.
type place struct {
	name  string
	start func(...string) *server // starts a server with faults
	plain bool                    // it has the answers of the fake service too
}

// TestFaults breaks answers from files, from an upstream and from a tape. A client
// makes the same of a fault in all three places, and notices that an answer was cut.
func TestFaults(t *testing.T) {
	wantNode(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			golden := openGolden(t, c.name+"-faults")
			whole := openGolden(t, c.name)
			whole.got = whole.want
			app := startApp(t, c.name+".mjs")
			fake := startFake(t)
			upstream := c.upstream(t, fake.URL)
			tape := filepath.Join(t.TempDir(), "tape")
			recorder := serve(t, "--upstream", upstream.url, "--record", tape)
			for _, s := range c.streams() {
				app.run(s, recorder.url)
			}
			recorder.stop()
			places := []place{
				{"file", func(args ...string) *server { return c.upstream(t, fake.URL, args...) }, false},
				{"upstream", func(args ...string) *server {
					return serve(t, append(args, "--upstream", upstream.url, "-H", "Retry-After-Ms: 1")...)
				}, true},
				{"tape", func(args ...string) *server { return serve(t, append(args, tape, "-H", "Retry-After-Ms: 1")...) }, true},
			}
			for _, b := range breakages {
				for _, p := range places {
					var s *server
					for _, scenario := range c.streams() {
						if scenario.plain && !p.plain {
							continue
						}
						if s == nil || b.once {
							s = p.start(b.args()...)
						}
						got := app.run(scenario, s.url)
						all := whole.want[scenario.name]
						name := scenario.name + ", " + b.flags
						switch {
						case b.harmless && compact(got) != compact(all):
							t.Errorf("%s of %s:\ngot  %s\nwant %s", name, p.name, got, compact(all))
						case b.cut && got.Error == nil && compact(got) != compact(all):
							t.Errorf("%s of %s: a cut answer is taken for a whole one: %s", name, p.name, got)
						}
						if b.harmless {
							continue
						}
						golden.checkAt(p.name, name, got)
					}
					if s != nil {
						s.stop()
					}
				}
			}
		})
	}
}

// streams returns the scenarios of which the answer, or a part of it, is a stream.
func (c *client) streams() []scenario {
	return slices.DeleteFunc(slices.Clone(c.scenarios), func(s scenario) bool { return s.plain && len(c.routes) > 0 })
}

// TestShort ends answers in order after their second event. Only the content shows
// that they are not whole.
func TestShort(t *testing.T) {
	wantNode(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			golden := openGolden(t, c.name+"-short")
			app := startApp(t, c.name+".mjs")
			short := c
			short.routes = map[string]string{}
			for route, file := range c.routes {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				end := "\n\n"
				if bytes.Contains(text, []byte("\r\n")) {
					end = "\r\n\r\n"
				}
				events := strings.SplitAfterN(string(text), end, 3)
				short.routes[route] = filepath.Join(t.TempDir(), filepath.Base(file))
				if err := os.WriteFile(short.routes[route], []byte(events[0]+events[1]), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			fake := startFake(t)
			s := short.upstream(t, fake.URL)
			for _, scenario := range c.streams() {
				url := s.url
				if scenario.plain {
					url = fake.URL + "/short"
				}
				golden.check(scenario.name, app.run(scenario, url))
			}
		})
	}
}
