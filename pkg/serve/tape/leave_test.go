package tape

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

// leaver is a client that leaves once it has so many writes.
type leaver struct {
	*httptest.ResponseRecorder
	writes int
	leave  context.CancelFunc
}

func (l *leaver) Write(p []byte) (int, error) {
	if l.writes--; l.writes == 0 {
		l.leave()
	}
	return l.ResponseRecorder.Write(p)
}

// A client that leaves with the last byte has the whole answer; one that leaves
// before has not.
func TestClientLeavesAtTheEnd(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/body"},"response":{"body":"all"}}}`,
		"2.jsonl": `{"meta":{"request":{"path":"/stream"}}}` + "\n" + `{"data":"a"}` + "\n" + `{"data":"b","delay":"1ms"}`,
	})
	for _, test := range []struct {
		path   string
		writes int
		want   string
		how    exchange.How
	}{
		{"/body", 1, "whole", exchange.Whole},
		{"/stream", 3, "whole", exchange.Whole},
		{"/stream", 1, "closed by the client", exchange.ClientLeft},
	} {
		var play Play
		ends := &endWatcher{}
		player, err := Open(dir, Options{
			Played: func(p Play) { play = p },
			Watch:  func(*exchange.Request) exchange.Watcher { return ends },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		func() {
			defer func() { recover() }() // of the cut
			player.ServeHTTP(&leaver{httptest.NewRecorder(), test.writes, leave}, httptest.NewRequestWithContext(ctx, "GET", test.path, nil))
		}()
		if play.End != test.want || ends.how != test.how {
			t.Errorf("%s, left after %d: %q %q, want %q %q", test.path, test.writes, play.End, ends.how, test.want, test.how)
		}
		leave()
	}
}

type endWatcher struct {
	answer.Nobody
	how exchange.How
}

func (w *endWatcher) End(end exchange.End) { w.how = end.How }

// Of upgrades, that to WebSocket alone passes a tape by.
func TestUpgrade(t *testing.T) {
	dir := write(t, map[string]string{"1.jsonl": `{"meta":{"request":{"path":"/a"},"response":{"body":"tape"}}}`})
	_, base := play(t, dir, Options{Otherwise: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "upstream") })})
	for _, test := range []struct{ target, upgrade, want string }{
		{"/a", "h2c", "tape"}, {"/a", "websocket", "upstream"}, {"/a", "other, WebSocket", "upstream"}, {"/b", "h2c", "upstream"}, {"/a", "TLS/1.0", "tape"},
	} {
		header := http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {test.upgrade}, "Http2-Settings": {"AAMAAABkAAQCAAAA"}}
		if _, text, _ := ask(t, base, call{method: "GET", target: test.target, header: header}); text != test.want {
			t.Errorf("%s %s: %q, want %q", test.target, test.upgrade, text, test.want)
		}
	}
}
