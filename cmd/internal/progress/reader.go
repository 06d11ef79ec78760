package progress

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/ssectl/ssectl/cmd/internal/term"
)

// slow is how long work takes that is worth a line.
const slow = time.Second

// Reader returns a reader of a file of a size that shows how much of it was read, if that
// takes long. It fails when ctx ends. The function it returns ends the line.
func Reader(ctx context.Context, streams *term.Streams, name string, r io.Reader, size int64) (io.Reader, func()) {
	c := &counter{ctx: ctx, r: r}
	begun := time.Now()
	line := Start(ctx, streams, slow, func() string {
		part := float64(c.n.Load()) / float64(max(size, 1))
		left := "" // as fast as so far
		if part > 0 && part < 1 {
			left = ", " + Seconds(time.Duration(float64(time.Since(begun))*(1-part)/part)) + " more"
		}
		return fmt.Sprintf("%s %.0f %% of %s%s", Bar(part, 20, streams.Unicode), 100*min(part, 1), name, left)
	})
	return c, line.Stop
}

type counter struct {
	ctx context.Context
	r   io.Reader
	n   atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
