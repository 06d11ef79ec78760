package relay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/socket"
	"github.com/ssectl/ssectl/pkg/exchange"
)

// switchProtocols joins the connections of the client and of the upstream, for
// WebSocket and other protocols.
func (x *passing) switchProtocols(res *http.Response) {
	upstream, ok := res.Body.(io.ReadWriteCloser)
	wanted, got := upgradeOf(x.in.Header), upgradeOf(res.Header)
	if !ok || !strings.EqualFold(wanted, got) {
		x.end.How, x.end.Err = exchange.Refused, fmt.Errorf("the upstream switched to protocol %q, asked for %q", got, wanted)
		x.answer(http.StatusBadGateway, x.end.Err.Error())
		return
	}
	conn, buffered, err := x.control.Hijack()
	if err != nil {
		x.end.How, x.end.Err = exchange.Refused, err
		x.answer(http.StatusBadGateway, "cannot switch protocols: "+err.Error())
		return
	}
	defer conn.Close()
	defer upstream.Close()
	res.Body = nil
	httpx.ReplaceFields(res.Header, x.AnswerHeader, false)
	if err := errors.Join(res.Write(buffered), buffered.Flush()); err != nil {
		x.end.How, x.end.Err = exchange.ClientLeft, err
		return
	}
	type ended struct {
		how exchange.How
		err error
	}
	ends := make(chan ended, 2)
	go func() {
		_, err := io.Copy(upstream, buffered.Reader) // it may have more than conn
		if err == nil {
			closeWrite(upstream)
		}
		ends <- ended{exchange.ClientLeft, err}
	}()
	go func() {
		n, err := io.Copy(conn, upstream)
		x.end.Bytes = n
		how := exchange.Whole
		if isReset(err) {
			how = exchange.Reset
		}
		if err == nil { // an orderly end must not come before a reset
			closeWrite(conn)
		}
		ends <- ended{how, err}
	}()
	select {
	case <-x.Relay.ctx.Done():
		x.end.How = exchange.Stopped
		conn.Close()
		upstream.Close()
		<-ends
	case first := <-ends:
		x.end.How, x.end.Err = first.how, first.err
		if first.err != nil {
			socket.Cut(conn, first.how == exchange.Reset)
			upstream.Close()
		}
	}
	// The other way may go on for as long as it likes.
	select {
	case <-x.Relay.ctx.Done():
		conn.Close()
		upstream.Close()
		<-ends
	case <-ends:
	}
}

// closeWrite ends one way of a connection, or the connection where that is all
// there is.
func closeWrite(c io.Closer) {
	if half, ok := c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		c.Close()
	}
}
