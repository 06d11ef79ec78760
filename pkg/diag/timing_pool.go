package diag

import (
	"fmt"

	"github.com/ssectl/ssectl/internal/coding"
)

// poolPauses is method A over all connections, where each pauses too seldom:
// long pauses, within an event, on more than one of them.
func (t *timing) poolPauses(o *Observation) opinion {
	op := opinion{method: "A", several: true}
	all := pauseTest{mid: t.all.mid, aligned: t.all.aligned, holds: t.all.holds, batches: t.all.batches}
	cut := min(1, t.all.mid)
	for _, x := range o.liveStreams() {
		if coding.Of(x.Header) != t.main.encoded {
			continue
		}
		p := testPauses(o, x.timeline(), false)
		all.mid, all.aligned = all.mid+p.mid, all.aligned+p.aligned
		all.holds, all.batches = append(all.holds, p.holds...), append(all.batches, p.batches...)
		cut += min(1, p.mid)
	}
	llr := float64(all.mid)*llrMid + float64(all.aligned)*llrAligned
	if hold := median(all.holds); cut >= 3 && llr >= llrHeld && hold > holdFail {
		op.verdict, op.hold = held, hold
		op.seen = fmt.Sprintf("%d of %d pauses inside an event, on %d connections", all.mid, all.mid+all.aligned, cut)
		op.numbers = map[string]any{"pauses_mid": all.mid, "pauses_aligned": all.aligned, "batch_bytes": median(all.batches)}
	}
	return op
}
