//go:build attack

package attack

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// nastyHeads are answers that are wrong before the stream begins.
func nastyHeads() []nasty {
	endless := func(head, text string) func(*nastyWriter, *http.Request) {
		return func(w *nastyWriter, _ *http.Request) {
			if w.send(head) {
				w.flood(text)
			}
		}
	}
	cases := []nasty{
		{name: "headers without end", answer: endless("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"), listen: 3, diag: 3},
		{name: "header line without end", answer: endless("HTTP/1.1 200 OK\r\nX-Long: ", "long "), listen: 3, diag: 3},
		{name: "status line without end", answer: endless("HTTP/1.1 200 ", "long "), listen: 3, diag: 3},
		{name: "early answers without end", answer: endless("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), listen: 3, diag: 3},
		{name: "noise without end", answer: endless("", "\x00\x1b[2J\xff"), listen: 3, diag: 3},
		{name: "headers drop by drop", answer: func(w *nastyWriter, _ *http.Request) { w.drip("HTTP/1.1 200 OK\r\nX-More: and more\r\n") },
			args: []string{"--no-reconnect", "--idle-timeout", "300ms"}, listen: 5, diag: 3},
		{name: "no answer", answer: func(w *nastyWriter, _ *http.Request) { w.hold() },
			args: []string{"--no-reconnect", "--idle-timeout", "300ms"}, listen: 5, diag: 3},
		{name: "reset", answer: func(w *nastyWriter, _ *http.Request) { w.reset() }, listen: 3, diag: 3},
		{name: "a few early answers", answer: raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 3) + okHead + "data: x\n\n"), listen: 0, diag: 0},
		{name: "2 MiB of headers", answer: raw(strings.Replace(okHead, "\r\n\r\n", "\r\n"+strings.Repeat("X-More: and more\r\n", 2<<20/18)+"\r\n", 1) + "data: x\n\n"), listen: 0, diag: 3},
	}
	type head struct {
		text         string
		listen, diag int
	}
	for _, h := range []head{
		{"", 3, 3},
		{"\r\n\r\n", 3, 3},
		{"HTTP/1.1\r\n\r\n", 3, 3},
		{"HTTP/1.1 \r\n\r\n", 3, 3},
		{"HTTP/1.1 abc OK\r\n\r\n", 3, 3},
		{"HTTP/1.1 -20 OK\r\n\r\n", 3, 3},
		{"HTTP/1.1 20 OK\r\n\r\n", 3, 3},
		{"HTTP/1.1 99999 OK\r\n\r\n", 3, 3},
		{"HTTP/9.9 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 0, 0},
		{"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 0, 0},
		{"HTTP/2.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 0, 0},
		{"ICY 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 3, 3},
		{"\x16\x03\x01\x02\x00\x01\x00", 3, 3},
		{"SSH-2.0-OpenSSH_9.9\r\n", 3, 3},
		{"HTTP/1.1 200\r\nContent-Type: text/event-stream\r\n\r\n", 0, 0},
		{"HTTP/1.1 200 \x1b]0;owned\x07\x1b[2J\u009b2J escape\r\nContent-Type: text/event-stream\r\n\r\n", 0, 0},
		{"HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n", 0, 0},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nno colon\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n: no name\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nA b: blank\r\n\r\n", 0, 0},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Nul: a\x00b\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Fold: a\r\n b\r\n\r\n", 0, 0},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Escape: \u009b31mred\u202egnp.exe\r\n\r\n", 0, 0},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/\u009b2J\u202eescape\r\n\r\n", 4, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Escape: \x1b[2J\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\n\r\n", 4, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event\r\n\r\n", 4, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 4, 1},
		{"HTTP/1.1 200 OK\r\n\r\n", 4, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: TEXT/Event-Stream ; charset=\"x\r\n\r\n", 0, 0},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1\r\n\r\n", 3, 0},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: -1\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99999999999999999999\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9223372036854775807\r\n\r\n", 3, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\nContent-Length: 10\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: gzip\r\n\r\n", 3, 3},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n", 3, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n9\r\n", 3, 1},
		{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: \u009b2J" + strings.Repeat("x", 100<<10) + "escape\r\n\r\n", 0, 0},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 4, 1},
		{"HTTP/1.1 199 What\r\n\r\n", 3, 3},
	} {
		cases = append(cases, nasty{name: fmt.Sprintf("head %.90q", h.text), answer: raw(h.text + "data: x\n\n"), listen: h.listen, diag: h.diag})
	}
	for _, size := range []string{"zz", "-1", "FFFFFFFFFFFFFFFF", "7FFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFFF", "9;" + strings.Repeat("x", 1<<20), "", "9 9", "0x9"} {
		text := strings.Replace(okHead, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1) + size + "\r\ndata: x\n\n\r\n0\r\n"
		cases = append(cases, nasty{name: fmt.Sprintf("chunk size %.20q", size), answer: raw(text), listen: 3, diag: 1})
	}
	return cases
}

// nastyStatuses are answers with a stream under a status that means there is
// none.
func nastyStatuses() (cases []nasty) {
	for _, status := range []int{
		201, 202, 203, 205, 206, 207, 208, 226, 299, 300, 304, 305, 306, 399, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409,
		410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505,
		507, 508, 511, 520, 599, 600, 999,
	} {
		text := strings.Replace(okHead, "200 OK", strconv.Itoa(status), 1) + "data: \x1b[2Jx\n\n"
		cases = append(cases, nasty{name: "status " + strconv.Itoa(status), answer: raw(text), listen: 4, diag: 1})
	}
	return append(cases, nasty{name: "status 204", answer: raw("HTTP/1.1 204\r\nContent-Length: 9\r\n\r\ndata: x\n\n"), listen: 0, diag: 0})
}

// nastyRedirects lead nowhere.
func nastyRedirects() []nasty {
	to := func(location string) func(*nastyWriter, *http.Request) {
		return raw("HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n")
	}
	chain := func(w *nastyWriter, r *http.Request) { to(r.URL.Path+"/x")(w, r) }
	cases := []nasty{
		{name: "redirects without end", answer: chain, listen: 3, diag: 1},
		{name: "redirect to no host", answer: to("//"), listen: 3, diag: 1},
		{name: "redirect to itself", answer: func(w *nastyWriter, r *http.Request) { to(r.URL.Path)(w, r) }, listen: 3, diag: 1},
		{name: "redirect to itself, any number allowed", answer: chain, args: []string{"--max-redirs", "0"}, listen: 3, diag: 1},
	}
	for _, location := range []string{"ftp://127.0.0.1/", "file:///etc/passwd", "javascript:alert(1)", "gopher://127.0.0.1:70/", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:1/", "http://%zz/", "\x1b[2Jescape", "http://127.0.0.1:1/" + strings.Repeat("x", 100<<10)} {
		cases = append(cases, nasty{name: fmt.Sprintf("redirect to %.40q", location), answer: to(location), listen: 3, diag: 3})
	}
	return append(cases, nasty{name: "redirect to nothing", answer: to(""), listen: 4, diag: 1})
}

// escapes are the control characters of a terminal, in each form there is.
const escapes = "\x1b[2J\x1b]0;owned\x07\x1bP1$r\x1b\\\u009b31m\u009d0;x\u009c\x08\x7f\x0e\x0f\x05\u202egnp\u2066\u200f"

// nastyBodies are streams that are too long, or made of parts that no stream should
// have.
func nastyBodies() []nasty {
	endless := func(text string) func(*nastyWriter, *http.Request) {
		return func(w *nastyWriter, _ *http.Request) {
			if w.send(okHead + "data: first\n\n") {
				w.flood(text)
			}
		}
	}
	silent := []string{"--no-reconnect", "--event-timeout", "20ms"}
	cases := []nasty{
		{name: "line without end", answer: func(w *nastyWriter, _ *http.Request) {
			if w.send(okHead + "data: ") {
				w.flood("x")
			}
		}, listen: 3, diag: 0},
		{name: "comment without end", answer: func(w *nastyWriter, _ *http.Request) {
			if w.send(okHead + ":") {
				w.flood("x")
			}
		}, listen: 3, diag: 0},
		{name: "block without end", answer: endless("data: x\n"), listen: 3, diag: 0},
		{name: "fields without end", answer: endless("unknown\n"), listen: 3, diag: 0},
		{name: "comments without end", answer: endless(": x\n\n"), args: silent, listen: 5, diag: 0},
		{name: "blank lines without end", answer: endless("\n"), args: silent, listen: 5, diag: 0},
		{name: "ids without end", answer: endless("id: 1\n\n"), args: silent, listen: 5, diag: 0},
		{name: "retries without end", answer: endless("retry: 1\n\n"), args: silent, listen: 5, diag: 1},
		{name: "events without end", answer: endless("data\n\n"), args: []string{"-n", "10000"}, listen: 0, diag: 0},
		{name: "silence", answer: func(w *nastyWriter, _ *http.Request) { w.send(okHead); w.hold() }, args: []string{"--no-reconnect", "--idle-timeout", "300ms"}, listen: 5, diag: 0},
		{name: "drop by drop", answer: func(w *nastyWriter, _ *http.Request) {
			if w.send(okHead) {
				w.drip("data: x\n\n")
			}
		}, args: []string{"-n", "3"}, listen: 0, diag: 0},
		{name: "1000000 events", answer: func(w *nastyWriter, _ *http.Request) {
			if !w.send(okHead) {
				return
			}
			for piece := strings.Repeat("data\n\n", 1000); piece != "" && w.send(piece); {
				if w.sent++; w.sent == 1000 {
					return
				}
			}
		}, listen: 0, diag: 0},
		{name: "gzip bomb", answer: gzipped(bomb("data: x\n\n", 256<<20)), args: []string{"--compressed", "--no-reconnect", "-n", "1000"}, listen: 0, diag: 0},
		{name: "gzip bomb in one line", answer: gzipped(bomb("x", 256<<20)), args: []string{"--compressed", "--no-reconnect"}, listen: 3, diag: 0},
		{name: "gzip that is none", answer: gzipped([]byte(strings.Repeat("data: x\n\n", 9))), args: []string{"--compressed", "--no-reconnect"}, listen: 3, diag: 1},
		{name: "gzip that breaks off", answer: gzipped(bomb("data: x\n\n", 9<<10)[:40]), args: []string{"--compressed", "--no-reconnect"}, listen: 3, diag: 1},
		{name: "compression unknown", answer: raw(strings.Replace(okHead, "\r\n", "\r\nContent-Encoding: \u009b2Jescape\r\n", 1) + "data: x\n\n"), args: []string{"--compressed", "--no-reconnect"}, listen: 3, diag: 0},
	}
	for _, encoding := range []string{"deflate", "br", "zstd"} {
		text := strings.Replace(okHead, "\r\n", "\r\nContent-Encoding: "+encoding+"\r\n", 1) + "\x28\xb5\x2f\xfd" + strings.Repeat("\xff\x00", 1000)
		cases = append(cases, nasty{name: "broken " + encoding, answer: raw(text), args: []string{"--compressed", "--no-reconnect"}, listen: 3, diag: 1})
	}
	return append(cases, nastyStreams()...)
}

// nastyStreams are whole streams with the oddest of contents.
func nastyStreams() (cases []nasty) {
	for _, one := range []struct{ name, text string }{
		{"alternating line ends", strings.Repeat("data: a\rdata: b\ndata: c\r\n\r\ndata: d\n\r", 100)},
		{"CR alone", "data: a\r\rdata: b\r\r"},
		{"escapes in data", "data: " + escapes + "\n\n"},
		{"escapes in type", "event: " + escapes + "\ndata: x\n\n"},
		{"escapes in id", "id: " + escapes + "\ndata: x\n\n"},
		{"escapes in comment", ": " + escapes + "\n\ndata: x\n\n"},
		{"escapes in field", escapes + ": " + escapes + "\ndata: x\n\n"},
		{"escapes in JSON", "data: {\"a\":\"" + escapes + "\",\"" + escapes + "\":1}\n\n"},
		{"NULs", "data: \x00\x00\n\nevent: \x00\nid: \x00\ndata: \x00\n\n\x00: x\ndata: y\n\n"},
		{"malformed UTF-8", "data: \xff\xfe\xc0\xaf\xe0\x80\xaf\xf0\x82\x82\xac\xed\xa0\x80\xf4\x90\x80\x80\xc3\n\nevent: \xff\nid: \xff\ndata: \xe2\x82\n\n"},
		{"many BOMs", strings.Repeat("\ufeff", 1000) + "data: x\n\n"},
		{"field name of 1 MiB", strings.Repeat("x", 1<<20) + ": x\ndata: x\n\n"},
		{"100000 data lines", strings.Repeat("data: x\n", 100000) + "\n"},
		{"id of 100 KiB", "id: " + strings.Repeat("x", 100<<10) + "\ndata: x\n\n"},
		{"type of 100 KiB", "event: " + strings.Repeat("\x1b", 100<<10) + "\ndata: x\n\n"},
		{"retry of many digits", "retry: 1" + strings.Repeat("0", 30) + "\ndata: x\n\n"},
		{"retry of a million digits", "retry: " + strings.Repeat("9", 1<<20) + "\ndata: x\n\n"},
		{"retries that are none", "retry: -1\nretry: 0x10\nretry: 1e9\nretry: ٣\nretry: \ndata: x\n\n"},
		{"colons", strings.Repeat(":", 1<<20) + "\n" + "data: x\n\n"},
		{"blanks", "data:" + strings.Repeat(" ", 1<<20) + "x\n\n"},
		{"UTF-16", "\xff\xfed\x00a\x00t\x00a\x00:\x00x\x00\n\x00\n\x00\n\n"},
		{"deep JSON", "data: " + strings.Repeat("[", 100000) + "\n\n"},
		{"a number of a million", "data: " + strings.Repeat("9", 1<<20) + "\n\n"},
		{"a stream in a stream", "data: HTTP/1.1 200 OK\ndata: \ndata: data: x\ndata: \n\n"},
		{"nothing but a BOM", "\ufeff"},
		{"every byte there is", "data: " + everyByte() + "\n\n"},
		{"every byte as a field name", everyByte() + ": x\ndata: x\n\n"},
	} {
		cases = append(cases, nasty{name: one.name, answer: body(one.text), listen: 0, diag: 0})
	}
	return cases
}

func everyByte() string {
	var all []byte
	for c := range 256 {
		if c != '\n' && c != '\r' {
			all = append(all, byte(c))
		}
	}
	return string(all)
}

// bomb returns text, repeated to size and compressed: in members of a megabyte,
// which all are the same (https://www.rfc-editor.org/rfc/rfc1952#section-2.2).
func bomb(text string, size int) []byte {
	piece := strings.Repeat(text, 1+min(size, 1<<20)/len(text))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	io.WriteString(w, piece)
	w.Close()
	return bytes.Repeat(packed.Bytes(), 1+size/len(piece))
}

func gzipped(packed []byte) func(*nastyWriter, *http.Request) {
	return raw(strings.Replace(okHead, "\r\n", "\r\nContent-Encoding: gzip\r\n", 1) + string(packed))
}

// nastyReturns are for a listener that comes back.
func nastyReturns() []nasty {
	always := func(text string) func(*nastyWriter, *http.Request) { return body(text) }
	// refusedThen answers a request that resumes in another way.
	then := func(first, resumed string) func(*nastyWriter, *http.Request) {
		return func(w *nastyWriter, r *http.Request) {
			if r.Header.Get("Last-Event-ID") != "" || r.Header.Get("Range") != "" {
				w.send(resumed)
				return
			}
			w.send(first)
		}
	}
	limited := []string{"--retry", "3", "--retry-delay", "0"}
	three := []string{"-n", "3", "--retry-delay", "0"}
	cases := []nasty{
		{name: "retry of 0, again and again", answer: always("retry: 0\ndata: x\n\n"), args: []string{"-n", "20"}, listen: 0, diag: 1},
		{name: "retry of 10^30", answer: always("retry: 1" + strings.Repeat("0", 30) + "\ndata: x\n\n"), args: []string{"-m", "0.3"}, listen: 0, diag: 0},
		{name: "nothing, again and again", answer: always(""), args: limited, listen: 3, diag: 0},
		{name: "a piece, again and again", answer: always("data: x"), args: limited, listen: 3, diag: 1},
		{name: "reset, again and again", answer: func(w *nastyWriter, _ *http.Request) { w.send(okHead); w.reset() }, args: limited, listen: 3, diag: 1},
		{name: "id with escapes", answer: always("id: \x1b[2J\ndata: x\n\n"), args: three, listen: 0, diag: 0},
		{name: "id of 100 KiB, sent back", answer: always("id: " + strings.Repeat("x", 100<<10) + "\ndata: x\n\n"), args: three, listen: 0, diag: 0},
		{name: "id with a tab and UTF-8", answer: always("id: a\t潮 \"\\\ndata: x\n\n"), args: three, listen: 0, diag: 0},
		{name: "id with malformed UTF-8", answer: always("id: \xff\xc3\ndata: x\n\n"), args: three, listen: 0, diag: 0},
		{name: "204 to a resume", answer: then(okHead+"id: 1\ndata: x\n\n", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), args: []string{"--retry-delay", "0"}, listen: 0, diag: 0},
		{name: "500 to a resume", answer: then(okHead+"id: 1\ndata: x\n\n", "HTTP/1.1 500 \x1b[2J\r\n\r\n"), args: []string{"--retry-delay", "0"}, listen: 4, diag: 0},
		{name: "resume with a strange position", answer: then(okHead+"id: 1\ndata: x\n\n", strings.Replace(okHead, "\r\n", "\r\nLast-Event-ID: \u009b2J\r\n", 1)+"id: 2\ndata: y\n\n"), args: three, listen: 0, diag: 0},
		{name: "Retry-After forever", answer: raw("HTTP/1.1 503 No\r\nRetry-After: 2147483647\r\n\r\n"), args: []string{"--retry-on", "503", "-m", "0.3"}, listen: 5, diag: 1},
	}
	for _, wait := range []string{"-1", "1e9", "99999999999999999999", "\u009b2J", "Wed, 99 Foo 99999 99:99:99 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		cases = append(cases, nasty{name: fmt.Sprintf("Retry-After %q", wait), answer: raw("HTTP/1.1 503 No\r\nRetry-After: " + wait + "\r\n\r\n"),
			args: append([]string{"--retry-on", "503"}, limited...), listen: 4, diag: 1})
	}
	for _, place := range []string{"", "bytes", "bytes -", "bytes 9", "bytes -9-10/11", "bytes 99999999999999999999-", "items 9-10/11", "bytes 10-17/18", "bytes \u009b2J-"} {
		resumed := strings.Replace(okHead, "200 OK\r\n", "206 Part\r\nContent-Range: "+place+"\r\n", 1) + "data: y\n\n"
		cases = append(cases, nasty{name: fmt.Sprintf("Content-Range %q", place), answer: then(okHead+"data: x\n\n", resumed),
			args: append([]string{"--resume", "range"}, three...), listen: 3, diag: 0})
	}
	return cases
}

// nastyCuts break a good answer off at each of its bytes, at the end of the
// connection, of a length, and of chunks.
func nastyCuts() (cases []nasty) {
	const text = "retry: 5000\nid: 1\nevent: x\ndata: ab\n\n: c\n\nid: 2\ndata: ü\n\n"
	for _, framing := range []struct{ name, head, end string }{
		{"close", okHead, ""},
		{"chunks", strings.Replace(okHead, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"+strconv.FormatInt(int64(len(text)), 16)+"\r\n", 1), "\r\n0\r\n\r\n"},
		{"length", strings.Replace(okHead, "\r\n\r\n", "\r\nContent-Length: "+strconv.Itoa(len(text))+"\r\n\r\n", 1), ""},
	} {
		whole := framing.head + text + framing.end
		for at := range len(whole) + 1 {
			if at < len(framing.head) && framing.name != "chunks" && at%7 > 0 {
				continue // the heads differ in little
			}
			got := text[:max(0, min(at-len(framing.head), len(text)))]
			one := nasty{name: fmt.Sprintf("%s, cut at byte %d", framing.name, at), answer: raw(whole[:at]), listen: 3, data: decoded(got)}
			headers := strings.Contains(whole[:at], "\r\n\r\n")
			tail := unfinished(got)
			switch {
			case !headers:
				one.diag = 3
			case framing.name == "chunks" && at < len(whole) && !strings.HasSuffix(whole[:at], text+"\r\n"):
				one.diag = 1
			case framing.name == "length" && at < len(whole), framing.name == "close" && strings.Contains("\n"+tail, "\ndata"):
				one.diag = 1
			case framing.name == "close" && tail == "", at == len(whole):
				one.listen = 0
			}
			cases = append(cases, one)
		}
	}
	return cases
}
