package inspectortest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var screenshots = flag.String("screenshots", "", "write the screenshots into this `folder` (default a temporary one)")

const chromium = "/usr/bin/chromium"

// A page is the inspector in a browser of its own.
type page struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex // guards violations
	violations []string   // messages of the console about scripts and policies
}

// open shows the inspector of the server at url. The browser and its files
// are gone when the test ends, which fails if the page did anything that its
// content security policy forbids, or threw an error.
func open(t *testing.T, url string, actions ...chromedp.Action[chromedp.Void]) *page {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		if os.Getenv("SSECTL_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir())}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "hide-scrollbars",
		"disable-background-networking", "disable-component-update", "disable-sync",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // outlives t.Context, to close in order
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewExecAllocator(ctx, options...)
	ctx, _ = chromedp.NewContext(ctx)
	p := &page{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.watch); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	p.do(chromedp.EmulateViewport(1280, 800))
	p.do(actions...)
	p.do(chromedp.Navigate(url))
	return p
}

func (p *page) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		p.violations = append(p.violations, event.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		// Cut connections are reported here too, as errors of the network.
		if event.Entry.Source != log.EntrySourceNetwork {
			p.violations = append(p.violations, event.Entry.Text)
		}
	}
}

func (p *page) close() {
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.t.Error("closing the browser:", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.violations {
		p.t.Error("the browser complains:", text)
	}
}

// forgive forgets the complaints of the browser so far: the test wanted them.
func (p *page) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violations = nil
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns the value of the expression in the page.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	result, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return result
}

// await waits until the expression is true in the page.
func (p *page) await(expression string) {
	p.t.Helper()
	wait := chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(20*time.Second))
	if err := chromedp.Do(p.ctx, wait); err != nil {
		p.t.Fatalf("%s: %v; the page says:\n%s", expression, err, eval[string](p, "document.body.innerText"))
	}
}

// row is an event as the page shows it.
type row struct{ Type, ID, Data string }

func (p *page) rows() []row {
	p.t.Helper()
	return eval[[]row](p, `[...document.querySelectorAll("#events summary")].map((s) => ({
		Type: s.querySelector(".type").textContent,
		ID: s.querySelector(".id").textContent,
		Data: s.querySelector(".data").textContent,
	}))`)
}

func (p *page) awaitRows(n int) {
	p.t.Helper()
	p.await(fmt.Sprintf(`document.querySelectorAll("#events summary").length === %d`, n))
}

// numbered returns JSON lines of events with the IDs from first to last.
func numbered(first, last int) []string {
	var lines []string
	for n := first; n <= last; n++ {
		lines = append(lines, fmt.Sprintf(`{"id":"%d","data":"{\"n\":%d}"}`, n, n))
	}
	return lines
}

func TestEventsAppear(t *testing.T) {
	s := startServer(t)
	s.send(`{"event":"greeting","id":"1","data":"hello"}`, `{"event":"error","data":"not of the connection"}`, `{"data":"two\nlines"}`)
	p := open(t, s.url)
	p.awaitRows(3)
	want := []row{{"greeting", "1", "hello"}, {"error", "", "not of the connection"}, {"message", "", "two↵lines"}}
	if got := p.rows(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	p.await(`document.querySelector("#state").textContent === "open"`)
}

// The first events of a type that live input brings later pass unheard, until
// the page has learned of it.
func TestLateTypeIsFilledIn(t *testing.T) {
	for _, ids := range []bool{true, false} {
		t.Run(fmt.Sprintf("ids=%t", ids), func(t *testing.T) {
			event := func(n int, typ string) string {
				if ids {
					return fmt.Sprintf(`{"event":%q,"id":"%d","data":"same"}`, typ, n)
				}
				return fmt.Sprintf(`{"event":%q,"data":"same"}`, typ)
			}
			s := startServer(t)
			s.send(event(1, "message"), event(2, "message"))
			p := open(t, s.url)
			p.awaitRows(2)
			s.send(event(3, "late"), event(4, "message"), event(5, "late"), event(6, "message"))
			p.awaitRows(6)
			s.send(event(7, "late"))
			p.awaitRows(7)
			var types []string
			for _, r := range p.rows() {
				types = append(types, r.Type)
			}
			if got, want := strings.Join(types, " "), "message message late message late message late"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// Filling in starts from the oldest row that is kept, by its ID.
func TestLateTypeBehindManyEvents(t *testing.T) {
	s := startServer(t)
	s.send(numbered(1, 5000)...)
	p := open(t, s.url)
	p.await(`document.querySelector("#count").textContent === "last 2,000 of 5,000 events"`)
	s.send(`{"event":"late","id":"5001","data":"x"}`)
	s.send(numbered(5002, 5003)...)
	p.await(`[...document.querySelectorAll(".type")].some((type) => type.textContent === "late")`)
	s.send(numbered(5004, 5004)...)
	p.await(`document.querySelector("#events ol:last-child li:last-child .id").textContent === "5004"`)
	for i, r := range p.rows() {
		if r.ID != fmt.Sprint(3005+i) {
			t.Fatalf("row %d is event %s, want %d", i, r.ID, 3005+i)
		}
	}
}

func TestDropIsShownAndResumed(t *testing.T) {
	s := startServer(t)
	s.send(numbered(1, 20)...)
	p := open(t, s.url)
	p.awaitRows(20)
	p.do(chromedp.Click(chromedp.CSS("#drop")))
	p.await(`document.querySelector("#log").innerText.includes("lost after 20 events")`)
	s.send(numbered(21, 40)...)
	p.awaitRows(40)
	s.send(numbered(41, 41)...)
	p.awaitRows(41)
	for i, r := range p.rows() {
		if r.ID != fmt.Sprint(i+1) {
			t.Errorf("row %d is event %s", i+1, r.ID)
		}
	}
	p.await(`document.querySelector("#state").textContent === "open"`)
	if got, want := eval[string](p, `document.querySelector("#log").innerText`), "Last-Event-ID: 20"; !strings.Contains(got, want) {
		t.Errorf("the log lacks %q: %s", want, got)
	}
	p.await(`/reconnects\s+1\s/.test(document.querySelector("#connection").innerText)`)
	p.await(`/resumes\s+1/.test(document.querySelector("#server").innerText)`)
}

func TestDataStaysText(t *testing.T) {
	const attack = `<script>window.hacked = true</script><img src="data:," onerror="window.hacked = true"><b style="color: red">`
	quoted, err := json.Marshal(attack)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t)
	s.send(fmt.Sprintf(`{"event":%[1]s,"id":%[1]s,"data":%[1]s}`, quoted), fmt.Sprintf(`{"data":{"html":%s}}`, quoted))
	p := open(t, s.url)
	p.awaitRows(2)
	eval[any](p, `for (const details of document.querySelectorAll("details")) details.open = true`)
	p.await(`[...document.querySelectorAll("pre")].every((pre) => pre.textContent !== "")`)
	if got, want := p.rows()[0], (row{attack, attack, attack}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if eval[bool](p, `window.hacked === true || document.querySelector("body :is(script, img, b)") !== null`) {
		t.Error("data became markup")
	}
}

func TestPrettyIsExact(t *testing.T) {
	s := startServer(t)
	data, err := json.Marshal(`{"n":[1.0,1e400,{}],"a":"\"\\","a":[]}`)
	if err != nil {
		t.Fatal(err)
	}
	s.send(fmt.Sprintf(`{"data":%s}`, data))
	p := open(t, s.url)
	p.awaitRows(1)
	p.do(chromedp.Click(chromedp.CSS("#events summary")))
	p.await(`document.querySelector("pre").textContent !== ""`)
	want := `{
  "n": [
    1.0,
    1e400,
    {}
  ],
  "a": "\"\\",
  "a": []
}`
	if got := eval[string](p, `document.querySelector("pre").textContent`); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestClock(t *testing.T) {
	s := startServer(t)
	p := open(t, s.url)
	for i, second := range []string{"09", "10"} {
		s.send(fmt.Sprintf(`{"id":"%d","data":"2026-11-20T22:45:%s.000Z"}`, i, second))
		p.await(fmt.Sprintf(`document.querySelector("#clock time").textContent === "22:45:%s"`, second))
	}
	p.shoot("inspector-clock")
	s.send(`{"data":"no time"}`)
	p.await(`document.querySelector("#clock").hidden`)
}

func TestFilter(t *testing.T) {
	s := startServer(t)
	s.send(`{"event":"tick","id":"a1","data":"x"}`, `{"event":"tock","id":"a2","data":"Tick in data"}`, `{"id":"a3","data":"z"}`)
	p := open(t, s.url)
	p.awaitRows(3)
	p.do(press("/"), chromedp.KeyEvent("TICK"))
	p.awaitRows(2)
	s.send(`{"event":"tock","id":"a4","data":"no"}`, `{"event":"tick","id":"a5","data":"yes"}`)
	p.awaitRows(3)
	if got := p.rows()[2].ID; got != "a5" {
		t.Errorf("event %s passed the filter", got)
	}
	p.do(chromedp.KeyEvent(kb.Escape))
	p.awaitRows(5)
}

func TestPauseHoldsBack(t *testing.T) {
	s := startServer(t)
	s.send(numbered(1, 3)...)
	p := open(t, s.url)
	p.awaitRows(3)
	p.do(press(" "))
	s.send(numbered(4, 10)...)
	p.await(`document.querySelector("#pause").textContent === "Resume, 7 held back"`)
	if got := len(p.rows()); got != 3 {
		t.Errorf("%d rows while paused, want 3", got)
	}
	p.do(press(" "))
	p.awaitRows(10)
}

func TestCopyIsJSONLines(t *testing.T) {
	s := startServer(t)
	s.send(`{"event":"tick","id":"1","data":"a\nb"}`, `{"data":"\"quoted\" ✓"}`)
	p := open(t, s.url)
	mayRead := browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"},
		Setting:    browser.PermissionSettingGranted,
	}
	if _, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, mayRead); err != nil {
		t.Fatal(err)
	}
	p.awaitRows(2)
	p.do(chromedp.Click(chromedp.CSS("#copy")))
	p.await(`document.querySelector("#copy").textContent === "Copied 2 events"`)
	copied := eval[string](p, `navigator.clipboard.readText()`)
	lines := strings.SplitAfter(copied, "\n")
	if len(lines) != 3 || lines[2] != "" {
		t.Fatalf("copied %q", copied)
	}
	for i, want := range []string{`{"event":"tick","id":"1","data":"a\nb","time":"`, `{"event":"message","data":"\"quoted\" ✓","time":"`} {
		time, ok := strings.CutPrefix(lines[i], want)
		if !ok || len(time) != len("2026-11-20T22:45:01.123456Z\"}\n") {
			t.Errorf("copied %q, want %s…", lines[i], want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := startServer(t)
	p := open(t, s.url)
	for n := 0; n < 10_000; n += 1000 {
		s.send(numbered(n+1, n+1000)...)
	}
	p.await(`document.querySelector("#count").textContent === "last 2,000 of 10,000 events"`)
	p.awaitRows(2000)
	if got := p.rows()[1999].ID; got != "10000" {
		t.Errorf("the last row is event %s", got)
	}
}

// TestScreenshots makes pictures of the page for people, and checks only the points
// that a look would miss: nothing sticks out, and the list scrolls by itself.
func TestScreenshots(t *testing.T) {
	for _, shot := range []struct {
		name, theme   string
		width, height int64
	}{
		{"inspector", "light", 1280, 840},
		{"inspector-dark", "dark", 1280, 840},
		{"inspector-phone", "light", 360, 740},
		{"inspector-phone-dark", "dark", 360, 740},
	} {
		t.Run(shot.name, func(t *testing.T) {
			t.Parallel()
			s := startRecording(t, story()...)
			p := open(t, s.url, chromedp.EmulateViewport(shot.width, shot.height, chromedp.EmulateScale(2)), prefer(shot.theme))
			p.awaitRows(11) // of which the newest waits longest
			p.do(chromedp.Click(chromedp.CSS("#drop")))
			p.awaitRows(18)
			eval[any](p, `document.querySelector("#events li:nth-child(17) details").open = true`)
			p.await(`document.querySelector("#events li:nth-child(17) pre").textContent !== ""`)
			p.await(`/this page\s+\d+\s+0$/m.test(document.querySelector("#clients").innerText)`)
			eval[any](p, `document.querySelector("#events").scrollTop = 1e6`)
			if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				t.Errorf("the page is %d px wider than the window", over)
			}
			if eval[bool](p, `document.querySelector("#events").clientHeight >= innerHeight`) {
				t.Error("the list of events takes all of the window")
			}
			p.shoot(shot.name)
		})
	}
}

// shoot writes a screenshot into a file.
func (p *page) shoot(name string) {
	p.t.Helper()
	folder := *screenshots
	if folder == "" {
		folder = p.t.TempDir()
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o666); err != nil {
		p.t.Fatal(err)
	}
}

// press is a key that types its character unless the page prevents it.
func press(key string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}
		if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, down); err != nil {
			return err
		}
		up := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: key}
		_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, up)
		return err
	})
}

// prefer makes the browser ask for a color scheme, as the system's setting does.
func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// story is a recording with something to see in it.
func story() []string {
	lines := []string{`{"event":"response.created","id":"1","data":{"id":"resp_01","model":"demo","status":"in_progress"}}`}
	say := func(delay int, event, data string) {
		lines = append(lines, fmt.Sprintf(`{"event":%q,"id":"%d","delay":%d,"data":%s}`, event, len(lines)+1, delay, data))
	}
	delays := []int{420, 38, 61, 12, 95, 44, 27, 180, 33, 640, 51, 29, 77, 40, 15}
	for i, word := range strings.Fields("Server-Sent Events are a quiet way to say many small things, one after the other.") {
		say(delays[i], "response.delta", fmt.Sprintf(`{"index":%d,"delta":"%s "}`, i, word))
	}
	say(250, "response.completed", `{"id":"resp_01","status":"completed","usage":{"input_tokens":12,"output_tokens":15}}`)
	say(8, "message", `"[DONE]"`)
	return lines
}
