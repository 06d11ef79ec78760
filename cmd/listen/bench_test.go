//go:build unix

package listencmd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

// The benchmarks run the built program, and the one it is compared with, in the
// same run on the same stream:
//
//	go test ./cmd/listen -run XXX -bench Listen -benchtime 5x

// build builds a program as a release does and returns its path.
func build(b *testing.B, pkg string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "program")
	run := exec.Command("go", "build", "-o", program, pkg)
	run.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := run.CombinedOutput()
	if err != nil {
		b.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return program
}

// deltas is a piece of a stream of LLM deltas, as one answer has them: they
// differ in the token.
var deltas = sync.OnceValue(func() []byte {
	tokens := strings.SplitAfter("The tide comes in over grey sand, and what it leaves behind is, extraordinarily, a harbour full of lights. ", " ")
	var b bytes.Buffer
	for i := range 4000 {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-sample0001","object":"chat.completion.chunk","created":1795000000,"model":"sample-4","service_tier":"default","system_fingerprint":"fp_sample","choices":[{"index":0,"delta":{"content":%q},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n", tokens[i%len(tokens)])
	}
	return b.Bytes()
})

// plainServer sends size bytes of deltas on every connection, with nothing but
// what that takes, and returns its URL.
func plainServer(b *testing.B, size int) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
				for sent := 0; sent < size && err == nil; sent += len(deltas()) {
					_, err = conn.Write(deltas())
				}
			}
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// cost runs a command line of the shell and returns the CPU time and the peak
// memory that it took, its children included.
func cost(b *testing.B, line string) (cpu time.Duration, peak int64) {
	b.Helper()
	run := exec.Command("sh", "-c", line)
	var errs bytes.Buffer
	run.Stderr = &errs
	if err := run.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", line, err, errs.String())
	}
	usage, ok := run.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Skip("no resource usage on this system")
	}
	return run.ProcessState.UserTime() + run.ProcessState.SystemTime(), int64(usage.Maxrss)
}

// BenchmarkListenThroughput states the CPU time of listen for a 500 MB stream as
// a multiple of that of curl -sN, which parses nothing, and its peak memory. The
// pipeline that people use without it gets a hundredth of the stream, or it
// would take minutes: compare its cpu-ns/B.
func BenchmarkListenThroughput(b *testing.B) {
	size := 500_000_000
	if testing.Short() {
		size = 50_000_000
	}
	if _, err := exec.LookPath("curl"); err != nil {
		b.Skip("no curl to compare with")
	}
	program := build(b, "../..")
	for _, rival := range []struct {
		name, line string
		size       int
	}{
		{"raw", "exec " + program + " listen --no-reconnect --format raw $URL", size},
		{"json", "exec " + program + " listen --no-reconnect --format json $URL", size},
		{"curl-to-jq", "curl -sN $URL | sed -un 's/^data: //p' | jq -c --unbuffered .", size / 100},
	} {
		b.Run(rival.name, func(b *testing.B) {
			if rival.name == "curl-to-jq" {
				if _, err := exec.LookPath("jq"); err != nil {
					b.Skip("no jq to compare with")
				}
			}
			url := plainServer(b, rival.size)
			b.SetBytes(int64(rival.size))
			var ours, curls []time.Duration
			var peak int64
			for b.Loop() {
				cpu, _ := cost(b, "exec curl -sN "+url+" >/dev/null")
				curls = append(curls, cpu)
				cpu, rss := cost(b, strings.ReplaceAll(rival.line, "$URL", url)+" >/dev/null")
				ours = append(ours, cpu)
				peak = max(peak, rss)
			}
			b.ReportMetric(float64(median(ours).Nanoseconds())/float64(rival.size), "cpu-ns/B")
			b.ReportMetric(float64(median(ours))/float64(median(curls)), "of-curl")
			b.ReportMetric(float64(peak)/1024, "peak-MiB")
		})
	}
}

func median[T time.Duration | float64](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkListenLatency states how long after it was sent an event is out of
// listen, at a thousand events a second.
func BenchmarkListenLatency(b *testing.B) {
	program := build(b, "../..")
	const events = 2000
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range events {
			<-tick.C
			fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	for _, program := range []struct{ name, line string }{
		{"listen", program + " listen --no-reconnect --format data " + server.URL},
		{"curl", "curl -sN " + server.URL},
	} {
		b.Run(program.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				args := strings.Fields(program.line)
				run := exec.Command(args[0], args[1:]...)
				out, err := run.StdoutPipe()
				if err != nil {
					b.Fatal(err)
				}
				if err := run.Start(); err != nil {
					b.Skip(err)
				}
				for lines := bufio.NewScanner(out); lines.Scan(); {
					sent, err := strconv.ParseInt(strings.TrimPrefix(lines.Text(), "data: "), 10, 64)
					if err == nil {
						took = append(took, time.Duration(time.Now().UnixNano()-sent))
					}
				}
				run.Wait()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkListenStartup states the time that "ssectl version" takes as a multiple
// of that of a program which prints one line.
func BenchmarkListenStartup(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello.go")
	if err := os.WriteFile(hello, []byte("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	program, least := build(b, "../.."), build(b, hello)
	wall := func(args ...string) time.Duration {
		start := time.Now()
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var ours, leasts []time.Duration
	for b.Loop() {
		ours = append(ours, wall(program, "version"))
		leasts = append(leasts, wall(least))
	}
	b.ReportMetric(float64(median(ours).Microseconds()), "µs")
	b.ReportMetric(float64(median(ours))/float64(median(leasts)), "of-hello")
}
