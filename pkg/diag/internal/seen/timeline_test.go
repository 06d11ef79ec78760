package seen

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// pieces of streams, whole and not.
var pieces = []string{
	"data: x\n\n", "id: 1\ndata: a\ndata: b\n\n", "event: x\r\n\r\n", "data: y\r\r", ": comment\n", ": t=1700000000000000000 off=3\n", "retry: 5\n\n",
	"\ufeff", "\ufeffdata: z\n\n", "\n", "\r", "\r\n", "data", ": ", "id: 2", "data: " + strings.Repeat("y", 300) + "\n\n",
}

// TestTimelineGrows compares the timeline of each snapshot of an exchange that
// goes on with that of the same reads, parsed at once.
func TestTimelineGrows(t *testing.T) {
	grew := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		x := &Exchange{Role: RoleIdentity, Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}}
		var growth Growth
		at := time.Duration(0)
		for range 30 {
			for range 1 + r.IntN(4) {
				text := ""
				for range r.IntN(4) {
					text += pieces[r.IntN(len(pieces))]
				}
				if text = text[:len(text)-min(len(text), r.IntN(3))]; text == "" {
					continue
				}
				at += time.Duration(r.IntN(12)) * time.Millisecond
				x.Body = append(x.Body, text...)
				x.Reads = append(x.Reads, Read{At: at, N: len(text)})
			}
			if r.IntN(10) == 0 {
				x.End, x.Ended = EndEOF, at
			}
			grown, whole := x.As(x.Role), x.As(x.Role)
			grown.Grow(&growth)
			if got, want := plain(grown.Timeline()), plain(whole.Timeline()); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %d reads, %q: got\n%+v\nwant\n%+v", seed, len(x.Reads), x.Body, got, want)
			}
			grew += growth.last.safe.arrivals
		}
	}
	if grew == 0 {
		t.Error("no timeline went on from an earlier one")
	}
}

// plain is a timeline in a form that compares the same, however it came about.
func plain(t *Timeline) string {
	return fmt.Sprintf("%+v %+v %v %q %q %v %v %v %v", t.Arrivals, t.Events, t.Comments, t.NoData, t.Tail, t.Retries, t.Ended, t.EndedAt, len(t.Plain))
}
