package inspectortest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve/inspector"
	"github.com/ssectl/ssectl/pkg/stream"
)

var began = time.Date(2026, 11, 20, 22, 45, 0, 0, time.UTC)

const secret = "sk-proj-0123456789abcdef"

// A traffic is a log with its page. Tests let exchanges pass by hand.
type traffic struct {
	*window.Log
	url string
}

func startExchanges(t *testing.T, limits window.Limits) traffic {
	l := window.New(limits)
	s := httptest.NewServer(inspector.NewHandler(inspector.Options{Log: l, Version: "1", Transcript: readDeltas}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return traffic{l, s.URL}
}

// readDeltas takes the data of events as text, but as a tool call where it is JSON.
func readDeltas(records []record.Record) window.Transcript {
	t := window.Transcript{Service: "openai", Parts: []window.Part{{Kind: "text"}}}
	for _, r := range records {
		if strings.HasPrefix(r.Data, "{") {
			t.Parts = append(t.Parts, window.Part{Kind: "tool", Name: "tide", Text: r.Data})
		} else {
			t.Parts[0].Text += r.Data
		}
	}
	return t
}

// A passing exchange is one whose parts a test sends.
type passing struct {
	exchange.Watcher
	ms int
}

func (l traffic) ask(path, body string) *passing {
	r := &exchange.Request{Time: began, Method: "POST", URL: &url.URL{Scheme: "https", Host: "api.test", Path: path}, Host: "api.test",
		Header: http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {"application/json"}}}
	r.Passed([]byte(body), 1<<20)
	r.Finished()
	return &passing{Watcher: l.Watch(r)}
}

func (p *passing) at(ms int) time.Time {
	p.ms = max(p.ms, ms)
	return began.Add(time.Duration(p.ms) * time.Millisecond)
}

func (p *passing) answer(ms int) *passing {
	p.Response(&exchange.Response{Time: p.at(ms), Proto: "HTTP/2.0", Status: 200, Stream: true, Header: http.Header{"Content-Type": {"text/event-stream"}}})
	return p
}

func (p *passing) send(ms int, data ...string) *passing {
	for _, d := range data {
		p.Event(&record.Record{IsEvent: true, Event: stream.Event{Type: "message", Data: d}, Time: p.at(ms)})
	}
	return p
}

func (p *passing) end(ms int, how exchange.How, events int64) {
	p.End(exchange.End{How: how, Time: p.at(ms), Events: events, Bytes: 100 * events})
}

// choose shows an exchange as a click on its line does.
func (p *page) choose(number int) {
	p.t.Helper()
	line := fmt.Sprintf(`a[href="#%d"]`, number)
	p.await(fmt.Sprintf(`document.querySelector('%s') !== null`, line))
	p.do(chromedp.Click(chromedp.CSS(line)))
	p.await(fmt.Sprintf(`document.querySelector('%s').getAttribute("aria-current") === "true"`, line))
}

func (p *page) tab(name string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS("#tab-" + name)))
	p.await(fmt.Sprintf(`!document.querySelector("#%s-panel").hidden`, name))
}

func TestExchangesAppearLive(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	p := open(t, l.url)
	p.await(`document.querySelector("#empty").checkVisibility() && document.querySelector("#state").textContent === "live"`)
	first := l.ask("/v1/chat", `{"n":1}`)
	p.await(`document.querySelector("#list li .what")?.textContent === "waiting for an answer"`)
	first.answer(120).send(200, "one")
	p.await(`document.querySelector("#list li .what")?.textContent === "1 event, first after 200 ms, open"`)
	l.ask("/v1/models", "").end(50, exchange.Refused, 0)
	p.await(`[...document.querySelectorAll("#list .number")].map((n) => n.textContent).join() === "2,1"`)
	first.send(300, "two").end(400, exchange.Reset, 2)
	p.await(`document.querySelector("#list li:last-child .what")?.textContent === "2 events, first after 200 ms, 400 ms, 200 B, the upstream reset it after event 2"`)
	if got := eval[string](p, `[...document.querySelectorAll("#list li")].map((li) => li.dataset.outcome).join()`); got != "bad,bad" {
		t.Errorf("outcomes %s", got)
	}
}

func TestWaterfallIsLive(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	x := l.ask("/v1/chat", `{}`).answer(100).send(200, "a")
	p := open(t, l.url)
	p.choose(1)
	ticks := func(n int) string {
		return fmt.Sprintf(`(document.querySelector("#waterfall .ticks").getAttribute("d") ?? "").split("M").length - 1 === %d`, n)
	}
	p.await(ticks(1))
	x.send(300, "b").send(1000, "c", "d")
	p.await(ticks(4))
	p.awaitRows(4)
	got := eval[[]string](p, `[...document.querySelectorAll("#events summary")].map((s) => s.children[0].textContent + " " + s.children[1].textContent)`)
	if want := []string{"200 ms ", "300 ms 100 ms", "1.00 s 700 ms", "1.00 s 0 ms"}; !slices.Equal(got, want) {
		t.Errorf("times and gaps are %q, want %q", got, want)
	}
	x.end(2000, exchange.ClientLeft, 4)
	p.await(`document.querySelector("#waterfall .end").getAttribute("d") !== ""`)
	p.await(`document.querySelector("#outcome").textContent.endsWith("the client left after event 4")`)
	// Half of the time is between the fourth event and the end.
	if got := eval[string](p, `document.querySelector("#waterfall .ticks").getAttribute("d")`); got != "M104.0 8v24M153.5 8v24M500.0 8v24M500.0 8v24" {
		t.Errorf("ticks are %s", got)
	}
}

func TestCopyAsCurl(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	l.ask("/v1/chat", `{"text":"it's"}`).answer(1).end(2, exchange.Whole, 0)
	p := open(t, l.url)
	mayRead := browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: browser.PermissionSettingGranted}
	if _, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, mayRead); err != nil {
		t.Fatal(err)
	}
	p.choose(1)
	for button, program := range map[string]string{"#curl": "curl -sSN", "#listen": "ssectl listen"} {
		p.do(chromedp.Click(chromedp.CSS(button)))
		p.await(fmt.Sprintf(`document.querySelector("%s").textContent === "Copied"`, button))
		want := program + ` 'https://api.test/v1/chat' \
  -H 'Authorization: Bearer REDACTED' \
  -H 'Content-Type: application/json' \
  --data-raw '{"text":"it'\''s"}'`
		if got := eval[string](p, `navigator.clipboard.readText()`); got != want {
			t.Errorf("copied %s\nwant %s", got, want)
		}
	}
}

func TestTranscript(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	x := l.ask("/v1/chat", `{}`).answer(1).send(2, "High water ")
	p := open(t, l.url)
	p.choose(1)
	p.tab("transcript")
	p.await(`document.querySelector(".part.text pre")?.textContent === "High water "`)
	x.send(3, "is at 06:40.", `{"port":"Wick"}`)
	p.await(`document.querySelector(".part.text pre").textContent === "High water is at 06:40."`)
	x.end(4, exchange.Whole, 3)
	p.await(`document.querySelector(".part.tool").innerText.includes("tide") && document.querySelector(".part.tool pre").textContent.includes('"port": "Wick"')`)
}

// Whatever a stream, a request or an answer has in it, it stays text, and what was
// secret in the request is not to be seen.
func TestExchangesStayText(t *testing.T) {
	const attack = `<script>window.hacked = true</script><img src="data:," onerror="window.hacked = true"><b style="color: red">` + "\x1b[2J\x00\u202e\u2028</pre>"
	l := startExchanges(t, window.Limits{})
	x := l.ask("/"+attack, fmt.Sprintf(`{"text":%q}`, "<b>"+secret))
	x.Response(&exchange.Response{Time: began, Proto: attack, Status: 200, Stream: true, Header: http.Header{attack: {attack}}})
	x.Event(&record.Record{IsEvent: true, Event: stream.Event{Type: attack, ID: attack, HasID: true, Data: attack}, Time: began})
	x.Event(&record.Record{HasComment: true, Comment: attack, Time: began})
	x.send(1, secret, `{"d":"`+secret[:9], `{"d":"`+secret[9:])
	x.End(exchange.End{How: exchange.Refused, Err: fmt.Errorf("%s", attack), Time: began, Trailer: http.Header{attack: {attack}}})
	l.ask("/"+attack, `{"text":"<i>other"}`).Body([]byte(attack))
	p := open(t, l.url)
	seen := ""
	for _, number := range []int{1, 2} {
		p.choose(number)
		p.await(fmt.Sprintf(`document.querySelector("#title").textContent.includes("hacked") && document.querySelectorAll("#request-panel dd").length > 0 && location.hash === "#%d"`, number))
		if number == 1 {
			p.awaitRows(5)
			eval[any](p, `for (const details of document.querySelectorAll("details")) details.open = true`)
			p.await(`[...document.querySelectorAll("#events pre")].every((pre) => pre.textContent !== "")`)
			if got := p.rows()[0].Data; got != attack {
				t.Errorf("data is %q, want %q", got, attack)
			}
		}
		for _, tab := range []string{"transcript", "request", "answer", "changed", "events"} {
			p.tab(tab)
			if tab == "transcript" {
				p.await(`document.querySelector("#transcript-panel").textContent !== ""`)
			}
		}
		seen += eval[string](p, `document.documentElement.outerHTML + document.body.textContent`)
	}
	if eval[bool](p, `window.hacked === true || document.querySelector("body :is(script, img, b, i)") !== null`) {
		t.Error("data became markup")
	}
	for i := range len(secret) - 6 {
		if strings.Contains(seen, secret[i:i+7]) {
			t.Errorf("%s of the secret is on the page", secret[i:i+7])
		}
	}
}

func TestSearchFindsEverywhere(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	l.ask("/v1/chat", `{"q":"a needle"}`).answer(1)
	l.ask("/needle", ``).answer(1)
	l.ask("/v1/chat", ``).answer(1).send(2, "hay", "a Needle in it")
	l.ask("/v1/chat", `{"q":"hay"}`).answer(1)
	p := open(t, l.url)
	p.await(`document.querySelectorAll("#list li").length === 4`)
	p.do(press("/"), chromedp.KeyEvent("needle"))
	p.await(`document.querySelector("#list").dataset.query === "needle" && document.querySelector("#count").textContent === "3 of 4 exchanges match"`)
	got := eval[[]string](p, `[...document.querySelectorAll("#list li:not([hidden])")].map((li) => li.querySelector(".number").textContent + " " + li.querySelector(".found").textContent)`)
	if want := []string{"3 event 2: a Needle in it", "2 request: POST https://api.test/needle", `1 request body: {"q":"a needle"}`}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	l.ask("/v1/other", "needle too")
	p.await(`document.querySelector("#count").textContent === "4 of 5 exchanges match"`)
	p.do(chromedp.KeyEvent(kb.Escape))
	p.await(`document.querySelector("#count").textContent === "5 exchanges"`)
}

func TestChangedSinceTheRequestBefore(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	l.ask("/v1/chat", `{"model":"a","messages":[{"role":"user"}]}`)
	l.ask("/v1/chat", `{"model":"a","messages":[{"role":"user"},{"role":"assistant"}]}`)
	p := open(t, l.url+"/.ssectl/#2")
	p.tab("changed")
	p.await(`document.querySelector(".difference strong")?.textContent === ".messages[1]"`)
	if got := eval[string](p, `document.querySelector(".difference ins").textContent`); got != `{"role":"assistant"}` {
		t.Errorf("added %s", got)
	}
	p.do(chromedp.Click(chromedp.CSS("#changed-panel a")))
	p.await(`document.querySelector("#changed-panel").textContent.includes("no request before")`)
}

// The page shows where an answer comes from, or what a request would have to be for one.
func TestMatchIsShown(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	ask := func(match exchange.Match) {
		r := &exchange.Request{Time: began, Method: "POST", URL: &url.URL{Scheme: "http", Host: "api.test", Path: "/x"}, Match: match, Header: http.Header{"X-Ssectl-Test": {"red"}}}
		(&passing{Watcher: l.Watch(r)}).answer(1).end(2, exchange.Whole, 0)
	}
	ask(exchange.Match{Name: "0001-chat.jsonl"})
	ask(exchange.Match{Why: "no recording matches", Nearest: "<b>0001</b>", Differs: []exchange.Difference{{Part: "body", Path: ".a", Request: "2", Recording: "1"}}})
	p := open(t, l.url+"/.ssectl/#2")
	p.await(`document.querySelector("#list li:last-child .what")?.textContent.endsWith("whole, from 0001-chat.jsonl, test red")`)
	p.await(`document.querySelector("#list li:first-child .what")?.textContent.endsWith("whole, nothing matched, test red")`)
	p.tab("request")
	p.await(`document.querySelector("#request-panel p")?.textContent.includes("The nearest is <b>0001</b>")`)
	if got := eval[string](p, `document.querySelector("#request-panel .difference").textContent`); got != "body .a12" {
		t.Errorf("difference %q", got)
	}
}

// What the server forgets, the page forgets, and shows that it does.
func TestPageIsAWindow(t *testing.T) {
	l := startExchanges(t, window.Limits{Exchanges: 3, Events: 100})
	x := l.ask("/long", ``).answer(1)
	p := open(t, l.url)
	p.choose(1)
	for i := range 1000 {
		x.send(i, fmt.Sprint(i))
		if i == 500 {
			p.await(`document.querySelectorAll("#events summary").length > 0`)
		}
	}
	p.await(`document.querySelector("#events-count").textContent === "the last 100 of 1,000 records"`)
	p.await(`document.querySelector("#events ol:last-child li:last-child .data")?.textContent === "999"`)
	p.awaitRows(100)
	for range 5 {
		l.ask("/short", ``).end(1, exchange.Whole, 0)
	}
	p.await(`document.querySelector("#count").textContent === "the last 3 of 6 exchanges"`)
	if got := eval[string](p, `[...document.querySelectorAll("#list .number")].map((n) => n.textContent).join()`); got != "6,5,1" {
		t.Errorf("kept %s", got)
	}
}

// A page of another origin reads nothing, whatever way it takes.
func TestOtherOriginsReadNothing(t *testing.T) {
	l := startExchanges(t, window.Limits{})
	l.ask("/private", ``).answer(1).send(2, "private")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>other</title>")
	}))
	t.Cleanup(other.Close)
	for _, from := range []string{other.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)} {
		t.Run(from, func(t *testing.T) {
			p := open(t, from)
			read := eval[[]string](p, fmt.Sprintf(`(async () => {
				const base = %q, got = [];
				for (const path of ["exchanges", "exchanges/1", "exchanges/1/events", "exchanges/1/as/sse", "exchanges/changes", ""])
					for (const mode of ["cors", "no-cors"])
						try { got.push(await (await fetch(base + path, {mode})).text()) } catch { got.push("") }
				got.push(await new Promise((done) => {
					const source = new EventSource(base + "exchanges/changes");
					source.addEventListener("changes", ({data}) => done(data));
					source.onerror = () => { source.close(); done("") };
				}));
				got.push(await new Promise((done) => {
					const script = document.createElement("script");
					script.src = base + "exchanges";
					script.onload = () => done("loaded");
					script.onerror = () => done("");
					document.head.append(script);
				}));
				const frame = document.createElement("iframe");
				frame.src = base;
				const loaded = new Promise((done) => (frame.onload = done));
				document.body.append(frame);
				await loaded;
				try { got.push(frame.contentDocument.body.textContent) } catch { got.push("") }
				return got;
			})()`, l.url+"/.ssectl/"))
			for i, text := range read {
				if text != "" {
					t.Errorf("way %d: read %.200q", i, text)
				}
			}
			p.forgive()
		})
	}
}

func TestExchangesScreenshots(t *testing.T) {
	for _, shot := range []struct {
		name, theme   string
		width, height int64
		tab           string
	}{
		{"exchanges", "light", 1280, 840, "events"},
		{"exchanges-dark", "dark", 1280, 840, "events"},
		{"exchanges-transcript", "dark", 1280, 840, "transcript"},
		{"exchanges-phone", "light", 360, 740, "events"},
		{"exchanges-phone-dark", "dark", 360, 740, ""},
	} {
		t.Run(shot.name, func(t *testing.T) {
			t.Parallel()
			l := startExchanges(t, window.Limits{})
			conversation(l)
			p := open(t, l.url, chromedp.EmulateViewport(shot.width, shot.height, chromedp.EmulateScale(2)), prefer(shot.theme))
			p.await(`document.querySelectorAll("#list li").length === 6`)
			if shot.tab != "" {
				p.choose(4)
				p.awaitRows(16)
				p.tab(shot.tab)
				if shot.tab == "transcript" {
					p.await(`document.querySelectorAll(".part").length === 2`)
				} else {
					eval[any](p, `document.querySelector("#events li:last-child details").open = true`)
					p.await(`document.querySelector("#events li:last-child pre").textContent !== ""`)
					eval[any](p, `document.querySelector("#events").scrollTop = 1e6`)
				}
			}
			if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				t.Errorf("the page is %d px wider than the window", over)
			}
			p.shoot(shot.name)
		})
	}
}

// conversation lets exchanges pass that show something.
func conversation(l traffic) {
	l.ask("/v1/models", ``).end(31, exchange.Refused, 0)
	l.ask("/v1/chat/completions", `{"model":"sample-4","messages":[{"role":"user","content":"When is high water?"}]}`).answer(210).send(260, "06:40.").end(300, exchange.Whole, 1)
	l.ask("/v1/chat/completions", `{"model":"sample-4","messages":[{"role":"user","content":"And in Wick?"}]}`).answer(190).send(900, "I").send(1400, " am").end(1500, exchange.ClientLeft, 2)
	x := l.ask("/v1/chat/completions", `{"model":"sample-4","stream":true,"messages":[{"role":"user","content":"And in Wick?"},{"role":"assistant","content":"I am"}]}`).answer(340)
	ms := 560
	for i, word := range strings.Fields("Server-Sent Events are a quiet way to say many small things, one after the other.") {
		ms += []int{420, 38, 61, 12, 95, 44, 27, 180, 33, 640, 51, 29, 77, 40, 15, 60}[i]
		x.send(ms, word+" ")
	}
	x.send(ms+40, `{"port":"Wick","day":"2026-11-24"}`).end(ms+70, exchange.Reset, 16)
	l.ask("/v1/embeddings", `{"input":"tide"}`).Body([]byte(`{"data":[]}`))
	l.ask("/v1/chat/completions", `{"model":"sample-4"}`).answer(150).send(220, "Low")
}
