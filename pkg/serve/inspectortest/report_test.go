package inspectortest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// openReport shows a report of diag that the tests of the formats keep.
func openReport(t *testing.T, actions ...chromedp.Action[chromedp.Void]) *page {
	t.Helper()
	return openFile(t, "../../../cmd/internal/output/testdata/report-whole.html", actions...)
}

func openFile(t *testing.T, name string, actions ...chromedp.Action[chromedp.Void]) *page {
	t.Helper()
	file, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, "file://"+filepath.ToSlash(file), actions...)
}

// TestReport looks at the report in two widths and two schemes: nothing sticks out,
// nothing is loaded, and a cursor shows values by mouse and by keyboard.
func TestReport(t *testing.T) {
	backgrounds := map[string]string{}
	for _, width := range []int64{400, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%s %d", scheme, width), func(t *testing.T) {
				p := openReport(t, chromedp.EmulateViewport(width, 900), prefer(scheme))
				if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
					t.Errorf("the page is %d px wider than the window", over)
				}
				if n := eval[int](p, `performance.getEntriesByType("resource").length`); n > 0 {
					t.Errorf("the page loads %d resources", n)
				}
				for _, part := range []string{".line", ".dots", ".thin", ".span.bad"} {
					if !eval[bool](p, fmt.Sprintf(`document.querySelector(".plot %s").getBoundingClientRect().width > 0`, part)) {
						t.Errorf("%s is not drawn", part)
					}
				}
				background := eval[string](p, `getComputedStyle(document.documentElement).backgroundColor`)
				backgrounds[scheme] = background

				p.do(hover(p, ".plot svg", .45))
				p.await(`/^at 4.8s: 4096 bytes, 12 events \(24 so far\), 1 comment$/.test(document.querySelector(".now").textContent)`)
				p.await(`document.querySelectorAll(".now")[1].textContent.startsWith("at 3.09s: ")`) // the row below, at the same time

				p.do(chromedp.Focus(chromedp.CSS(".rows")), chromedp.KeyEvent(kb.Home))
				p.await(`document.querySelector(".readout").textContent === "the stream, asked for as browsers do: at 41ms: headers, 41ms after the request"`)
				p.do(chromedp.KeyEvent(kb.ArrowRight))
				p.await(`document.querySelector(".readout").textContent.includes("at 2.41s: ")`)
				p.do(chromedp.KeyEvent(kb.ArrowDown))
				p.await(`document.querySelector(".readout").textContent.startsWith("the stream without compression: at 2.09s")`)

				whole := eval[string](p, `document.querySelector(".plot svg").getAttribute("viewBox")`)
				p.do(press("+"))
				p.await(fmt.Sprintf(`document.querySelector(".plot svg").getAttribute("viewBox") !== %q`, whole))
				p.do(press("0"))
				p.await(fmt.Sprintf(`document.querySelector(".plot svg").getAttribute("viewBox") === %q`, whole))
				p.shoot(fmt.Sprintf("report-%s-%d", scheme, width))
			})
		}
	}
	if backgrounds["light"] == backgrounds["dark"] {
		t.Errorf("light and dark have the background %s", backgrounds["light"])
	}
}

// TestReportZoomByMouse drags over a part of the figure, and goes back by double click.
func TestReportZoomByMouse(t *testing.T) {
	p := openReport(t)
	p.do(mouse(p, ".plot svg", .25, input.DispatchMouseEventTypeMousePressed, 1))
	p.do(mouse(p, ".plot svg", .5, input.DispatchMouseEventTypeMouseMoved, 0))
	p.do(mouse(p, ".plot svg", .75, input.DispatchMouseEventTypeMouseReleased, 1))
	view := `document.querySelector(".plot svg").getAttribute("viewBox").split(" ").map((x) => Math.round(x / 100)).join(" ")`
	p.await(view + ` === "25 0 50 10"`)
	if ticks := eval[string](p, `[...document.querySelector("svg.axis").querySelectorAll("text")].map((t) => t.textContent).join(" ")`); !strings.HasPrefix(ticks, "3 s 4 s") {
		t.Errorf("the ticks are %s", ticks)
	}
	p.do(chromedp.Click(chromedp.CSS(`[data-do="all"]`)))
	p.await(view + ` === "0 0 100 10"`)
}

// TestSummary looks at the charts of listen: each has its bars, and shows their values.
func TestSummary(t *testing.T) {
	for _, width := range []int64{400, 1200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := openFile(t, "../../../cmd/listen/testdata/summary.html", chromedp.EmulateViewport(width, 1000))
			if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				t.Errorf("the page is %d px wider than the window", over)
			}
			if n := eval[int](p, `[...document.querySelectorAll(".plot .bars")].filter((bars) => bars.getBoundingClientRect().height > 30).length`); n != 3 {
				t.Errorf("%d charts have bars, want 3", n)
			}
			p.do(hover(p, ".plot svg", .1))
			p.await(`/s to .*: [\d.]+\/s$/.test(document.querySelector(".now").textContent)`)
			eval[any](p, `document.querySelectorAll(".rows")[1].focus()`)
			p.do(chromedp.KeyEvent(kb.End))
			p.await(`/ to 350ms: 1 gap$/.test(document.querySelectorAll(".readout")[1].textContent)`)
			eval[any](p, `scrollTo(0, 0)`)
			p.shoot(fmt.Sprintf("summary-%d", width))
		})
	}
}

// TestReportPrinted: on paper there is no tool, and the figure is.
func TestReportPrinted(t *testing.T) {
	p := openReport(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	}))
	if eval[bool](p, `document.querySelector(".tools").offsetHeight > 0`) {
		t.Error("the tools are printed")
	}
	if !eval[bool](p, `document.querySelector(".plot svg").getBoundingClientRect().height > 50`) {
		t.Error("the figure is not printed")
	}
	if got := eval[string](p, `getComputedStyle(document.documentElement).color`); got != "rgb(30, 34, 36)" {
		t.Errorf("the ink is %s", got)
	}
}

// hover moves the mouse to a part of the width of an element.
func hover(p *page, selector string, part float64) chromedp.Action[chromedp.Void] {
	return mouse(p, selector, part, input.DispatchMouseEventTypeMouseMoved, 0)
}

func mouse(p *page, selector string, part float64, what input.DispatchMouseEventType, clicks int64) chromedp.Action[chromedp.Void] {
	p.t.Helper()
	at := eval[[]float64](p, fmt.Sprintf(`(() => {
		const node = document.querySelector(%q);
		node.scrollIntoView({ block: "center" });
		const box = node.getBoundingClientRect();
		return [box.left + box.width * %v, box.top + box.height / 2];
	})()`, selector, part))
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		event := input.DispatchMouseEventParams{Type: what, X: at[0], Y: at[1], ClickCount: clicks, Button: input.MouseButtonNone}
		if clicks > 0 {
			event.Button = input.MouseButtonLeft
		}
		_, err := cdp.Call(ctx, target, input.DispatchMouseEvent, event)
		return err
	})
}
