//go:build unix

package main

import (
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

// serving serves h until stop is called.
func serving(h *serve.Handler) (addr string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		server.Serve(listener)
		close(done)
	}()
	return listener.Addr().String(), func() {
		h.Close()
		server.Close()
		<-done
	}
}

// sockets listens, and gives the connections of n clients.
func sockets(n int) (addr string, connected func() []net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	got := make(chan []net.Conn, 1)
	go func() {
		var conns []net.Conn
		for range n {
			conn, err := listener.Accept()
			check(err)
			conns = append(conns, conn)
		}
		listener.Close()
		got <- conns
	}()
	return listener.Addr().String(), func() []net.Conn { return <-got }
}

// ticks calls f at the rate and for the time of s.
func ticks(s settings, f func()) (calls int) {
	ticker := time.NewTicker(time.Second / time.Duration(s.rate))
	defer ticker.Stop()
	for end := time.Now().Add(s.length); time.Now().Before(end); calls++ {
		<-ticker.C
		f()
	}
	return calls
}

// stamped returns data of the size of s, which begins with the time.
func stamped(s settings) string {
	stamp := fmt.Sprint(time.Now().UnixNano(), " ")
	return stamp + strings.Repeat("x", max(s.size-len(stamp), 0))
}

func measureLive(s settings) {
	fmt.Printf("live fan-out: %d clients, %d events/s of %d bytes, %v\n", s.clients, s.rate, s.size, s.length)

	addr, connected := sockets(s.clients)
	wait := clients(s.clients, addr, "stamp", 0)
	conns := connected()
	fds := make([]int, len(conns))
	for i, conn := range conns {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		check(err)
		check(raw.Control(func(fd uintptr) { fds[i] = int(fd) }))
	}
	before := cpuTime()
	n := ticks(s, func() {
		text, err := (&stream.Event{Data: stamped(s)}).AppendText(nil)
		check(err)
		chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(text), text)
		for _, fd := range fds {
			_, err := syscall.Write(fd, chunk)
			check(err)
		}
	})
	floor := cpuTime() - before
	for _, conn := range conns {
		conn.Close()
	}
	floorSeen := wait()
	floorCost := float64(floor.Nanoseconds()) / float64(n*s.clients)
	fmt.Printf("  floor  %6.2f us CPU per event, latency p50 %v p99 %v max %v, %d events\n", floorCost/1e3, floorSeen.P50, floorSeen.P99, floorSeen.Max, floorSeen.Events)

	history := &serve.History{Limit: 1000}
	addr, stop := serving(&serve.Handler{History: history})
	wait = clients(s.clients, addr, "stamp", 0)
	settle()
	before = cpuTime()
	n = ticks(s, func() { check(history.Append(stream.Event{Data: stamped(s)})) })
	used := cpuTime() - before
	settle()
	stop()
	seen := wait()
	cost := float64(used.Nanoseconds()) / float64(n*s.clients)
	fmt.Printf("  serve  %6.2f us CPU per event, latency p50 %v p99 %v max %v, %d of %d events\n", cost/1e3, seen.P50, seen.P99, seen.Max, seen.Events, n*s.clients)
	fmt.Printf("  ratio  %6.2f CPU, %.2f p99 latency\n", cost/floorCost, float64(seen.P99)/float64(floorSeen.P99))
}

// spareFiles is how many files a process has open beside its connections.
const spareFiles = 32

// settle gives the server time to finish its work.
func settle() { time.Sleep(time.Second) }

func measureIdle(s settings) {
	for _, n := range []int{s.idle, 2 * s.idle} {
		n = min(n, raiseLimit()-spareFiles)
		history := &serve.History{}
		addr, stop := serving(&serve.Handler{History: history})
		debug.FreeOSMemory()
		before := resident()
		wait := clients(n, addr, "count", 0)
		settle()
		peak := resident()
		debug.FreeOSMemory()
		after := resident()
		stop()
		wait()
		fmt.Printf("idle: %d clients, %.1f KiB each (%.1f before the garbage was returned), %.0f MB in all\n",
			n, float64(after-before)/float64(n)/1024, float64(peak-before)/float64(n)/1024, float64(peak)/1e6)
	}
}

func measureFlat(s settings) {
	history := &serve.History{}
	for i := range s.events {
		check(history.Append(stream.Event{ID: fmt.Sprint(i), Data: strings.Repeat("x", s.size)}))
	}
	history.End()
	for _, n := range []int{1, 100} {
		h := &serve.Handler{History: history}
		addr, stop := serving(h)
		before := cpuTime()
		r := clients(n, addr, "count", 0)()
		used := cpuTime() - before
		stop()

		plain := make([]byte, 256<<10)
		addr, connected := sockets(n)
		wait := clients(n, addr, "count", 0)
		conns := connected()
		before = cpuTime()
		done := make(chan struct{})
		for _, conn := range conns {
			go func() {
				for left := r.Bytes / n; left > 0; left -= len(plain) {
					_, err := conn.Write(plain[:min(len(plain), left)])
					check(err)
				}
				conn.Close()
				done <- struct{}{}
			}()
		}
		for range conns {
			<-done
		}
		copied := wait()
		usedCopy := cpuTime() - before
		speed, speedCopy := float64(r.Bytes)/r.Seconds/1e6, float64(copied.Bytes)/copied.Seconds/1e6
		fmt.Printf("flat out: %d clients, %.0f MB: serve %.0f MB/s, %.2f s CPU; plain TCP %.0f MB/s, %.2f s CPU; ratio %.2f\n",
			n, float64(r.Bytes)/1e6, speed, used.Seconds(), speedCopy, usedCopy.Seconds(), speed/speedCopy)
	}
}

func measurePace(s settings) {
	const count, rate = 100, 100
	history := &serve.History{}
	for i := range int(s.length.Seconds()) * rate {
		check(history.Append(stream.Event{ID: fmt.Sprint(i), Data: strings.Repeat("x", s.size)}))
	}
	history.End()
	interval := time.Second / rate
	addr, stop := serving(&serve.Handler{History: history, Options: serve.Options{Pace: serve.Pace{Every: interval}}})
	before := cpuTime()
	r := clients(count, addr, "gap", interval)()
	used := cpuTime() - before
	stop()
	fmt.Printf("own pace: %d clients, %d events/s each: off the due time by p50 %v, p99 %v, max %v; %.2f us CPU per event\n",
		count, rate, r.P50, r.P99, r.Max, float64(used.Nanoseconds())/1e3/float64(r.Events))
}
