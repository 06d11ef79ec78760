package lab

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/klauspost/compress/gzhttp"
)

// goSetups are proxies within the program: those that Go offers, and the habits
// of appliances that cannot be installed.
var goSetups = []Setup{
	{Name: "Go ReverseProxy", Unseen: true, Proxy: reverseProxy(0)},
	{Name: "Go ReverseProxy, FlushInterval 1s", Unseen: true, Proxy: reverseProxy(time.Second)},
	{Name: "Go ReverseProxy, gzhttp", Unseen: true, Proxy: func(upstream string) http.Handler { return gzhttp.GzipHandler(reverseProxy(0)(upstream)) }},
	{Name: "Go, copied without a flush", Unseen: true, Proxy: relay(copied)},
	{Name: "Go, gzip flushed once a second", Unseen: true, Proxy: relay(zippedByTimer)},
	{Name: "scanner, first 16 KiB", Unseen: true, Proxy: relay(scanFirst(16 << 10))},
	{Name: "scanner, keeps back 1 KiB", Unseen: true, Proxy: relay(keepBack(1 << 10))},
	{Name: "scanner, whole events of 4 KiB", Unseen: true, Proxy: relay(wholeEvents(4 << 10))},
	{Name: "collects 1400 bytes or 0.6 s", Unseen: true, Proxy: relay(collect(1400, 600*time.Millisecond))},
	{Name: "token bucket, 2 KiB/s", Unseen: true, Proxy: relay(bucket(2 << 10))},
	{Name: "delays all by 0.7 s", Unseen: true, Proxy: relay(delay(700 * time.Millisecond))},
	{Name: "headers with the first byte", Unseen: true, Proxy: relay(headersLate)},
	{Name: "strips comments", Unseen: true, Proxy: relay(stripComments)},
}

func reverseProxy(interval time.Duration) func(string) http.Handler {
	return func(upstream string) http.Handler {
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
		proxy.FlushInterval = interval
		return proxy
	}
}

// An answer is one that is on its way to a client: the answer from upstream, as
// it came, and where it goes.
type answer struct {
	http.ResponseWriter
	pieces <-chan []byte // closed at the end
	zip    bool          // the client can inflate
}

func (a *answer) flush() { http.NewResponseController(a.ResponseWriter).Flush() }

// relay is a proxy that passes bodies on by pass.
func relay(pass func(*answer)) func(string) http.Handler {
	return func(upstream string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request, _ := http.NewRequestWithContext(r.Context(), r.Method, "http://"+upstream+r.URL.Path, nil)
			request.Header = r.Header.Clone()
			zip := bytes.Contains([]byte(r.Header.Get("Accept-Encoding")), []byte("gzip"))
			request.Header.Set("Accept-Encoding", "identity")
			resp, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			for _, name := range []string{"Content-Type", "Cache-Control"} {
				w.Header().Set(name, resp.Header.Get(name))
			}
			if resp.StatusCode != http.StatusOK {
				w.WriteHeader(resp.StatusCode)
				return
			}
			pieces := make(chan []byte, 1000)
			go func() {
				defer close(pieces)
				for {
					piece := make([]byte, 32<<10)
					n, err := resp.Body.Read(piece)
					select {
					case pieces <- piece[:n]:
					case <-r.Context().Done():
						return
					}
					if err != nil {
						return
					}
				}
			}()
			pass(&answer{w, pieces, zip})
		})
	}
}

func copied(a *answer) {
	a.flush()
	for piece := range a.pieces {
		a.Write(piece)
	}
}

func zippedByTimer(a *answer) {
	if !a.zip {
		scanFirst(0)(a)
		return
	}
	a.Header().Set("Content-Encoding", "gzip")
	a.flush()
	zip := gzip.NewWriter(a)
	defer zip.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case piece, more := <-a.pieces:
			if !more {
				return
			}
			zip.Write(piece)
		case <-tick.C:
			zip.Flush()
			a.flush()
		}
	}
}

// scanFirst looks at some bytes before it lets anything go.
func scanFirst(size int) func(*answer) {
	return func(a *answer) {
		a.flush()
		var seen []byte
		for piece := range a.pieces {
			if len(seen) < size {
				if seen = append(seen, piece...); len(seen) < size {
					continue
				}
				piece = seen
			}
			a.Write(piece)
			a.flush()
		}
		if len(seen) < size {
			a.Write(seen)
		}
	}
}

// keepBack looks for a pattern that may begin in the last bytes.
func keepBack(size int) func(*answer) {
	return func(a *answer) {
		a.flush()
		var kept []byte
		for piece := range a.pieces {
			if kept = append(kept, piece...); len(kept) > size {
				a.Write(kept[:len(kept)-size])
				a.flush()
				kept = bytes.Clone(kept[len(kept)-size:])
			}
		}
		a.Write(kept)
	}
}

// wholeEvents lets events go once there are enough, but never cuts one.
func wholeEvents(size int) func(*answer) {
	return func(a *answer) {
		a.flush()
		var kept []byte
		for piece := range a.pieces {
			kept = append(kept, piece...)
			if end := bytes.LastIndex(kept, []byte("\n\n")) + 2; len(kept) >= size && end > 1 {
				a.Write(kept[:end])
				a.flush()
				kept = bytes.Clone(kept[end:])
			}
		}
		a.Write(kept)
	}
}

// collect waits for a full segment, or some time from the first byte.
func collect(size int, most time.Duration) func(*answer) {
	return func(a *answer) {
		a.flush()
		var kept []byte
		var late <-chan time.Time
		for {
			due := false
			select {
			case piece, more := <-a.pieces:
				if !more {
					a.Write(kept)
					return
				}
				if kept = append(kept, piece...); late == nil && len(kept) > 0 {
					late = time.After(most)
				}
				due = len(kept) >= size
			case <-late:
				due = true
			}
			if due {
				a.Write(kept)
				a.flush()
				kept, late = nil, nil
			}
		}
	}
}

// bucket lets so many bytes through in a second, a tenth of them at once.
func bucket(rate int) func(*answer) {
	return func(a *answer) {
		a.flush()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for piece := range a.pieces {
			for len(piece) > 0 {
				part := piece[:min(len(piece), rate/10)]
				piece = piece[len(part):]
				if _, err := a.Write(part); err != nil {
					return
				}
				a.flush()
				<-tick.C
			}
		}
	}
}

// delay is a long way: all is as late as all else.
func delay(by time.Duration) func(*answer) {
	return func(a *answer) {
		a.flush()
		type late struct {
			piece []byte
			due   time.Time
		}
		way := make(chan late, 10000)
		go func() {
			defer close(way)
			for piece := range a.pieces {
				way <- late{piece, time.Now().Add(by)}
			}
		}()
		for l := range way {
			time.Sleep(time.Until(l.due))
			a.Write(l.piece)
			a.flush()
		}
	}
}

func headersLate(a *answer) {
	for piece := range a.pieces {
		if len(piece) > 0 {
			a.Write(piece)
			a.flush()
		}
	}
}

func stripComments(a *answer) {
	a.flush()
	for piece := range a.pieces {
		a.Write(bytes.ReplaceAll(piece, []byte(": hb\n\n"), nil))
		a.flush()
	}
}
