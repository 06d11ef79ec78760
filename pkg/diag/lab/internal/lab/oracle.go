package lab

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// An oracle listens as a browser would, and compares with the publish times.
type oracle struct {
	publisher       *Publisher
	opened, headers time.Time
	header          http.Header // of the answer
	closed          time.Time
	first           int // the first event published after it was connected
	arrived         map[int]time.Time
	unnamed         []time.Time   // of events that say nothing of themselves
	knocked         time.Duration // the longest that headers took another time
	http1           time.Duration // until the headers were there over HTTP/1.1, 5 s at most
	beats           int           // comments that came
	reads, noBlank  int           // of the body, and after which an event lacked but its blank line
}

func transport(http2 bool) *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2, DialContext: (&net.Dialer{}).DialContext}
}

// open asks for the stream, on a connection of its own, as a browser asks.
func (o *oracle) open(ctx context.Context, url string, mark string, http2 bool) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip, deflate")
	if strings.HasPrefix(url, "https:") {
		request.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	}
	if mark != "" {
		request.Header.Set(mark, "1")
	}
	t := transport(http2)
	t.DisableCompression, t.DisableKeepAlives = true, true
	return (&http.Client{Transport: t}).Do(request)
}

// knock opens the stream again and again, because how long headers wait for a
// first event depends on when one comes.
func (o *oracle) knock(ctx context.Context, url string) {
	for range 15 {
		// Not in step with the events that the headers may wait for.
		timer := time.NewTimer(50*time.Millisecond + rand.N(600*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		opened := time.Now()
		resp, err := o.open(ctx, url, "", true)
		o.knocked = max(o.knocked, time.Since(opened))
		if err != nil {
			return
		}
		resp.Body.Close()
	}
}

// older opens the stream over HTTP/1.1 where others speak HTTP/2.
func (o *oracle) older(ctx context.Context, url string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	opened := time.Now()
	resp, err := o.open(ctx, url, "", false)
	if o.http1 = time.Since(opened); err == nil {
		resp.Body.Close()
	}
}

func (o *oracle) listen(ctx context.Context, url string) {
	o.opened, o.first = time.Now(), o.publisher.latest()+1
	defer func() { o.closed = time.Now() }()
	resp, err := o.open(ctx, url, oracleHeader, true)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	o.headers = time.Now()
	o.header = resp.Header
	o.first = max(o.first, o.publisher.latest()+1)
	if own, _, _ := o.publisher.Traffic.own(); own > 0 || time.Since(o.opened) > time.Second {
		o.first = 1 // whatever was held with the headers
	}
	o.read(resp.Body, resp.Header.Get("Content-Encoding"))
}

// read notes when the blank line after each event came. A compressed body is
// decoded anew with each read, because a browser shows all it has, flushed or
// not.
func (o *oracle) read(body io.Reader, coding string) {
	var wire, plain []byte
	buf := make([]byte, 256<<10)
	seen := 0 // bytes of plain up to the last event noted
	for {
		n, err := body.Read(buf)
		now := time.Now()
		wire = append(wire, buf[:n]...)
		plain = decode(wire, coding)
		for {
			end := bytes.Index(plain[min(seen, len(plain)):], []byte("\n\n"))
			if end < 0 {
				break
			}
			o.note(plain[seen:seen+end], now)
			seen += end + 2
		}
		o.reads++
		if seen < len(plain) && plain[len(plain)-1] == '\n' {
			o.noBlank++
		}
		if err != nil {
			return
		}
	}
}

// decode returns as much as there is.
func decode(wire []byte, coding string) []byte {
	var r io.Reader
	switch coding {
	case "gzip":
		zip, err := gzip.NewReader(bytes.NewReader(wire))
		if err != nil {
			return nil
		}
		r = zip
	case "deflate": // which is zlib, its two bytes of header apart
		r = flate.NewReader(bytes.NewReader(wire[min(2, len(wire)):]))
	case "br":
		r = brotli.NewReader(bufio.NewReaderSize(bytes.NewReader(wire), 16))
	case "zstd":
		zip, err := zstd.NewReader(bytes.NewReader(wire), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil
		}
		defer zip.Close()
		r = zip
	default:
		return wire
	}
	plain, err := io.ReadAll(r)
	if _, damaged := err.(flate.CorruptInputError); damaged {
		return nil
	}
	return plain
}

// note keeps the first time of an event.
func (o *oracle) note(event []byte, now time.Time) {
	_, text, ok := bytes.Cut(event, []byte(`"n":`))
	if !ok {
		switch {
		case bytes.HasPrefix(event, []byte("event: tick")):
			o.unnamed = append(o.unnamed, now)
		case bytes.HasPrefix(event, []byte(": hb")):
			o.beats++
		}
		return
	}
	line, _, _ := bytes.Cut(text, []byte(","))
	id, err := strconv.Atoi(string(line))
	if err != nil {
		return
	}
	if _, twice := o.arrived[id]; !twice {
		o.arrived[id] = now
	}
}

// beatless reports whether two heartbeats at least were due, and none came.
func (o *oracle) beatless() bool {
	every := o.publisher.Traffic.heartbeat()
	return every > 0 && o.beats == 0 && o.closed.Sub(o.opened) > 2*every+time.Second
}

// result weighs all events that were made while the oracle listened. One that
// never came was held at least until the end.
func (o *oracle) result() (events int, hold, headers time.Duration) {
	headers = o.headers.Sub(o.opened)
	if o.headers.IsZero() {
		headers = o.closed.Sub(o.opened)
	}
	headers = max(headers, o.knocked)
	if len(o.unnamed) > 0 && o.publisher.Watched() == 0 {
		return 0, 0, headers // out of a cache: nobody knows which they are
	}
	for i, at := range o.unnamed { // in the order in which they were sent
		o.arrived[o.publisher.Watched()+i] = at
	}
	var holds []time.Duration
	for id := o.first; ; id++ {
		made, ok := o.publisher.Published(id)
		if !ok {
			break
		}
		at, came := o.arrived[id]
		switch {
		case came:
			holds = append(holds, at.Sub(made))
		case o.closed.Sub(made) > 50*time.Millisecond:
			holds = append(holds, o.closed.Sub(made))
		}
	}
	if len(holds) == 0 {
		return 0, 0, headers
	}
	slices.Sort(holds)
	at := len(holds) * 9 / 10
	if len(holds) > 40 { // enough for the last of each burst to count
		at = len(holds) * 19 / 20
	}
	return len(holds), holds[min(at, len(holds)-1)], headers
}
