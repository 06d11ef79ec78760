package inspectortest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// The page with a WebSocket in the place of its EventSource shows the same, types
// that it did not know among it, and goes on after a cut.
func TestWebSocketPage(t *testing.T) {
	s := startServer(t)
	s.send(numbered(1, 20)...)
	p := open(t, s.url)
	p.awaitRows(20)
	if got := eval[string](p, `document.querySelector("#connection").innerText`); !strings.Contains(got, "EventSource") {
		t.Errorf("the client is not named: %s", got)
	}
	p.do(chromedp.Navigate(eval[string](p, `document.querySelector("#switch").href`)))
	p.awaitRows(20)
	if got := eval[string](p, `document.querySelector("#connection").innerText`); !strings.Contains(got, "WebSocket") {
		t.Errorf("the client is not named: %s", got)
	}
	p.await(`document.querySelector("#clients").innerText.includes("this page, WebSocket")`)
	p.do(chromedp.Click(chromedp.CSS("#drop")))
	p.await(`document.querySelector("#log").innerText.includes("lost after 20 events, no close frame")`)
	s.send(`{"event":"late","id":"21","data":"x"}`)
	s.send(numbered(22, 40)...)
	p.awaitRows(40)
	for i, r := range p.rows() {
		if r.ID != fmt.Sprint(i+1) || (r.Type == "late") != (i == 20) {
			t.Errorf("row %d is event %s of type %s", i+1, r.ID, r.Type)
		}
	}
	s.history.End()
	p.await(`document.querySelector("#log").innerText.includes("the server ended the stream, close code 1000")`)
	p.await(`document.querySelector("#state").textContent === "closed"`)
}

// A browser's WebSocket gets the events and the close codes.
func TestWebSocketBrowser(t *testing.T) {
	history := &serve.History{}
	var want []string
	for n := range 100 {
		want = append(want, fmt.Sprintf("größe %d\n%s", n, strings.Repeat("x", n*n)))
		history.Append(stream.Event{ID: fmt.Sprint(n + 1), Data: want[n]})
	}
	history.End()
	handler := &serve.Handler{History: history}
	for _, text := range []string{"close=4001@3:#2", "drop@3:#3", "garble@3:#4", "status=503:#5", "chunk=7:#6"} {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		handler.Faults = append(handler.Faults, f)
	}
	p := open(t, startHandler(t, handler).url+"/.ssectl/stats")
	type result struct {
		Data  []string
		Code  int
		Clean bool
		Proto string
	}
	script := `new Promise((resolve) => {
		const data = [];
		const socket = new WebSocket("ws://" + location.host + "/events" + %q, ["graphql-transport-ws", "other"]);
		socket.onmessage = (event) => data.push(event.data);
		socket.onopen = () => socket.send("hello");
		socket.onclose = (event) => resolve({ Data: data, Code: event.code, Clean: event.wasClean, Proto: socket.protocol });
	})`
	for i, wanted := range []struct {
		query  string
		code   int
		clean  bool
		events []string
	}{
		{"", 1000, true, want},
		{"", 4001, true, want[:3]},
		{"", 1006, false, want[:3]},
		{"", 1006, false, want[:2]}, // the browser closes with 1007, and tells the page no code
		{"", 1006, false, []string{}},
		{"", 1000, true, want},
		{"?lastEventId=98", 1000, true, want[98:]},
	} {
		got := eval[result](p, fmt.Sprintf(script, wanted.query))
		if i == 3 {
			p.forgive() // Chromium reports the text that is not UTF-8
		}
		if !slices.Equal(got.Data, wanted.events) || got.Code != wanted.code || got.Clean != wanted.clean {
			t.Errorf("connection %d: %d events, code %d, clean %t; want %d, %d, %t", i+1, len(got.Data), got.Code, got.Clean, len(wanted.events), wanted.code, wanted.clean)
		}
		if wanted.clean && got.Proto != "graphql-transport-ws" {
			t.Errorf("connection %d: subprotocol %q", i+1, got.Proto)
		}
	}
}
