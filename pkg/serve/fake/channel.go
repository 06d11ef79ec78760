package fake

import (
	"context"
	"errors"
	"slices"

	"github.com/ssectl/ssectl/pkg/record"
)

// maxTold bounds the tellings that wait for a stream.
const maxTold = 1000

// channels are the streams that listen, by the names of their channels. The mutex of
// the handler guards them.
type channels map[string][]*listener

// A listener is a stream that listens to a channel.
type listener struct {
	told chan *Telling
}

func (c channels) listen(name string) *listener {
	l := &listener{told: make(chan *Telling, maxTold)}
	c[name] = append(c[name], l)
	return l
}

func (c channels) leave(name string, l *listener) {
	c[name] = slices.DeleteFunc(c[name], func(other *listener) bool { return other == l })
	if len(c[name]) == 0 {
		delete(c, name)
	}
}

// tell returns how many streams listen. One that does not keep up is cut.
func (c channels) tell(t *Telling) int {
	list := c[t.Channel]
	for _, l := range slices.Clone(list) {
		select {
		case l.told <- t:
		default:
			close(l.told)
			c.leave(t.Channel, l)
		}
	}
	return len(list)
}

var errBehind = errors.New("the stream is told more than its client takes")

// send sends what the channel is told.
func (l *listener) send(ctx context.Context, send func(record.Record) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t, ok := <-l.told:
			if !ok {
				return errBehind
			}
			for _, r := range t.Records {
				if err := send(r); err != nil {
					return err
				}
			}
			if t.End {
				return nil
			}
		}
	}
}
