//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A result has the counts of the process of the clients.
type result struct {
	Events   int
	Bytes    int
	Seconds  float64 // from the first byte that any client got to the last
	P50, P99 time.Duration
	Max      time.Duration
}

// clients starts a process with n clients of addr that end when the server
// closes the connection. mode is how they read:
//
//	stamp  the first number in each event is when it was sent
//	gap    events are due at a fixed interval from the first one on
//	count  nothing
//
// It returns once all are connected; wait returns their results.
func clients(n int, addr, mode string, interval time.Duration) (wait func() result) {
	self, err := os.Executable()
	check(err)
	command := exec.Command(self, "client", "-n", fmt.Sprint(n), "-addr", addr, "-mode", mode, "-interval", interval.String())
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	check(err)
	check(command.Start())
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "connected\n" {
		log.Fatalf("clients: %q, %v", line, err)
	}
	return func() (r result) {
		check(json.NewDecoder(lines).Decode(&r))
		check(command.Wait())
		return r
	}
}

func clientMain(args []string) {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	n := flags.Int("n", 1, "")
	addr := flags.String("addr", "", "")
	mode := flags.String("mode", "", "")
	interval := flags.Duration("interval", 0, "")
	flags.Parse(args)
	raiseLimit()

	seen := make([]observed, *n)
	var all sync.WaitGroup
	for i := range seen {
		conn, err := net.Dial("tcp", *addr)
		check(err)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		check(err)
		all.Go(func() {
			defer conn.Close()
			seen[i].read(conn, *mode, *interval)
		})
	}
	fmt.Println("connected")
	all.Wait()
	check(json.NewEncoder(os.Stdout).Encode(summary(seen)))
}

// observed has the counts of one client.
type observed struct {
	events, bytes int
	first, last   time.Time
	delays        []time.Duration
}

func (o *observed) read(conn net.Conn, mode string, interval time.Duration) {
	if mode == "count" {
		buf := make([]byte, 256<<10)
		for {
			n, err := conn.Read(buf)
			o.saw(n)
			if err != nil {
				return
			}
		}
	}
	var start time.Time
	lines := bufio.NewReaderSize(conn, 4096)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		o.bytes += len(line)
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		now := time.Now()
		o.saw(0)
		switch mode {
		case "stamp":
			number, _, _ := bytes.Cut(data, []byte(" "))
			sent, err := strconv.ParseInt(string(number), 10, 64)
			check(err)
			o.delays = append(o.delays, time.Duration(now.UnixNano()-sent))
		case "gap":
			if o.events == 0 {
				start = now
			}
			due := start.Add(time.Duration(o.events) * interval)
			o.delays = append(o.delays, now.Sub(due).Abs())
		}
		o.events++
	}
}

func (o *observed) saw(n int) {
	o.last = time.Now()
	if o.first.IsZero() {
		o.first = o.last
	}
	o.bytes += n
}

func summary(seen []observed) (r result) {
	var delays []time.Duration
	first, last := seen[0].first, seen[0].last
	for i := range seen {
		o := &seen[i]
		r.Events += o.events
		r.Bytes += o.bytes
		delays = append(delays, o.delays...)
		if o.first.Before(first) {
			first = o.first
		}
		if o.last.After(last) {
			last = o.last
		}
	}
	r.Seconds = last.Sub(first).Seconds()
	if len(delays) > 0 {
		slices.Sort(delays)
		r.P50, r.P99, r.Max = delays[len(delays)/2], delays[len(delays)*99/100], delays[len(delays)-1]
	}
	return r
}
