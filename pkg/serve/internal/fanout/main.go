//go:build unix

// Fanout measures the cost of package serve, beside the least that it could
// cost: plain write(2) calls of the same bytes to the same number of sockets,
// in the same run. The clients are a process of their own, so that the figures
// are those of the server alone. It uses loopback, and ends by itself.
//
//	go run ./pkg/serve/internal/fanout            # all, in about two minutes
//	go run ./pkg/serve/internal/fanout -run live  # or idle, flat, pace
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

type settings struct {
	clients int
	rate    int // events a second
	size    int // bytes of data in an event
	length  time.Duration
	idle    int
	events  int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("fanout: ")
	if len(os.Args) > 1 && os.Args[1] == "client" {
		clientMain(os.Args[2:])
		return
	}
	var s settings
	run := flag.String("run", "live,idle,flat,pace", "what to measure")
	flag.IntVar(&s.clients, "clients", 1000, "clients of live fan-out")
	flag.IntVar(&s.rate, "rate", 100, "events a second of live fan-out")
	flag.IntVar(&s.size, "size", 200, "bytes of data in an event")
	flag.DurationVar(&s.length, "for", 10*time.Second, "length of each measurement over time")
	flag.IntVar(&s.idle, "idle", 10000, "idle clients")
	flag.IntVar(&s.events, "events", 1_000_000, "events of a flat-out replay")
	flag.Parse()
	raiseLimit()
	for _, m := range []struct {
		name    string
		measure func(settings)
	}{{"live", measureLive}, {"idle", measureIdle}, {"flat", measureFlat}, {"pace", measurePace}} {
		if slices.Contains(strings.Split(*run, ","), m.name) {
			m.measure(s)
			debug.FreeOSMemory()
		}
	}
}

// raiseLimit lets the process have as many sockets as it may, and returns how
// many files that are.
func raiseLimit() int {
	const most = 1 << 16
	limit := syscall.Rlimit{Cur: most, Max: most}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	}
	return int(limit.Cur)
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// resident returns the memory of the process in bytes.
func resident() int {
	var size, pages int
	text, err := os.ReadFile("/proc/self/statm")
	check(err)
	_, err = fmt.Sscan(string(text), &size, &pages)
	check(err)
	return pages * os.Getpagesize()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
