//go:build unix

// Figures measures a relay beside a bare httputil.ReverseProxy, in the same run:
// how much longer an event takes, how fast a large stream passes, and how much
// memory idle and endless streams need.
//
//	go run ./pkg/serve/internal/figures
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/exchange/window"
	"github.com/ssectl/ssectl/pkg/serve/relay"
	"github.com/ssectl/ssectl/pkg/serve/tape"
)

var (
	events  = flag.Int("events", 3000, "`number` of events of a round")
	rounds  = flag.Int("rounds", 5, "`number` of rounds")
	size    = flag.Int64("size", 300, "`MB` of the large stream")
	streams = flag.Int("streams", 1000, "`number` of idle streams")
	child   = flag.String("child", "", "be a relay to this `URL`")
	records = flag.Bool("records", false, "of the child: record")
	profile = flag.String("cpuprofile", "", "write a CPU profile of the large streams of the last way to this `file`")
)

func main() {
	flag.Parse()
	defer os.RemoveAll(tapes)
	if *child != "" {
		debug.SetGCPercent(30) // as serve --upstream does
		url, _ := serve(newRelay(*child, true, *records))
		fmt.Println(url)
		select {}
	}
	upstream, _ := serve(http.HandlerFunc(answer))
	ways := []way{
		{"direct", upstream},
		{"ReverseProxy", start(newReverseProxy(upstream))},
		{"relay", start(newRelay(upstream, false, false))},
		{"with page", start(newRelay(upstream, true, false))},
		{"with page and tape", start(newRelay(upstream, true, true))},
	}
	latency(ways)
	for _, corpus := range []string{"chat", "responses"} {
		throughput(ways, corpus)
	}
	for _, recording := range []bool{false, true} {
		memory(upstream, recording)
	}
}

type way struct{ name, url string }

func serve(h http.Handler) (string, *http.Server) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	return "http://" + l.Addr().String(), s
}

func start(h http.Handler) string { url, _ := serve(h); return url }

func newReverseProxy(upstream string) http.Handler {
	u, _ := url.Parse(upstream)
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(u) },
		FlushInterval: -1,
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
	}
}

// newRelay returns a relay as serve --upstream has it: with the page's window of
// exchanges, and recordings if asked for.
func newRelay(upstream string, page, records bool) http.Handler {
	u, _ := url.Parse(upstream)
	h := &relay.Relay{Upstream: u, Ended: func(*exchange.Request, *exchange.Response, exchange.End) {}}
	var watches []exchange.Watch
	if page {
		watches = append(watches, window.New(window.Limits{}).Watch)
	}
	if records {
		recorder := &tape.Recorder{Dir: tapes, Failed: func(err error) { log.Print(err) }}
		watches = append(watches, recorder.Watch)
	}
	if watches != nil {
		h.Watch = exchange.Watches(watches...)
	}
	return h
}

// tapes is the directory of the recordings.
var tapes = filepath.Join(os.TempDir(), fmt.Sprintf("figures-%d", os.Getpid()))

func removeTapes() {
	files, _ := filepath.Glob(filepath.Join(tapes, "*.jsonl"))
	for _, file := range files {
		os.Remove(file)
	}
}

// The corpora are what a large stream repeats: deltas of a chat, of which each has another
// word, and events that also differ in a number and in a text that pads them.
var corpora = map[string][]byte{"chat": corpus(chat), "responses": corpus(responses)}

var delta = chat(0)

func chat(i int) []byte {
	return fmt.Appendf(nil, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795000000,"model":"m","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", word(i))
}

func responses(i int) []byte {
	const letters = "pO8xqZ3mKd0Lr7TbY4nVcG6w"
	padding := strings.Repeat(letters, 2)[i%len(letters):]
	return fmt.Appendf(nil, "event: response.output_text.delta\n"+
		`data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_0a1b2c3d","output_index":0,"content_index":0,"delta":%q,"logprobs":[],"obfuscation":%q}`+"\n\n",
		i, word(i), padding[:1+i*7%16])
}

// word returns one of a thousand words, some with escapes.
func word(i int) string {
	const letters = "etaoinshrdlucmfwypvbgk"
	text := []byte{' '}
	for n := i*i%7919 + 1; n > 0; n /= len(letters) {
		text = append(text, letters[n%len(letters)])
	}
	if i%50 == 0 {
		text = append(text, '\n')
	}
	return string(text)
}

func corpus(event func(int) []byte) (all []byte) {
	for i := range 1000 {
		all = append(all, event(i)...)
	}
	return all
}

// answer is the upstream: paced events, as many bytes as it can, or one event and
// silence.
func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/paced":
		next := time.Now()
		for range *events {
			next = next.Add(time.Millisecond)
			time.Sleep(time.Until(next))
			fmt.Fprintf(w, "data: %d %s\n\n", time.Now().UnixNano(), strings.Repeat("x", 200))
			control.Flush()
		}
	case "/large":
		mb, _ := strconv.ParseInt(r.URL.Query().Get("mb"), 10, 64)
		all := corpora[r.URL.Query().Get("corpus")]
		const piece = 32 << 10
		for sent, at := int64(0), 0; sent < mb<<20; {
			n := min(piece, len(all)-at)
			if _, err := w.Write(all[at : at+n]); err != nil {
				return
			}
			sent, at = sent+int64(n), (at+n)%len(all)
		}
	case "/idle":
		w.Write(delta)
		control.Flush()
		<-r.Context().Done()
	}
}

func latency(ways []way) {
	p50, p99 := map[string][]float64{}, map[string][]float64{}
	for range *rounds {
		for _, way := range ways {
			var took []float64
			response, err := http.Get(way.url + "/paced")
			if err != nil {
				log.Fatal(err)
			}
			lines := bufio.NewReader(response.Body)
			for {
				line, err := lines.ReadString('\n')
				now := time.Now().UnixNano()
				if err != nil {
					break
				}
				if fields := strings.Fields(line); len(fields) > 1 {
					sent, _ := strconv.ParseInt(fields[1], 10, 64)
					took = append(took, float64(now-sent)/1000)
				}
			}
			response.Body.Close()
			slices.Sort(took)
			p50[way.name] = append(p50[way.name], took[len(took)/2])
			p99[way.name] = append(p99[way.name], took[len(took)*99/100])
		}
	}
	fmt.Printf("an event at 1,000 a second, µs, medians of %d rounds of %d:\n", *rounds, *events)
	for _, way := range ways {
		fmt.Printf("  %-20s p50 %6.0f  p99 %6.0f\n", way.name, median(p50[way.name]), median(p99[way.name]))
	}
}

func throughput(ways []way, corpus string) {
	took, used := map[string][]float64{}, map[string][]float64{}
	for round := range *rounds {
		for i, way := range ways {
			if *profile != "" && round == *rounds-1 && i == len(ways)-1 {
				f, err := os.Create(*profile)
				if err != nil {
					log.Fatal(err)
				}
				pprof.StartCPUProfile(f)
			}
			removeTapes() // before the time counts
			begin, before := time.Now(), processorTime()
			response, err := http.Get(fmt.Sprintf("%s/large?mb=%d&corpus=%s", way.url, *size, corpus))
			if err != nil {
				log.Fatal(err)
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, 256<<10))
			response.Body.Close()
			if err != nil || n < *size<<20 {
				log.Fatal(n, err)
			}
			took[way.name] = append(took[way.name], time.Since(begin).Seconds())
			used[way.name] = append(used[way.name], processorTime()-before)
		}
	}
	pprof.StopCPUProfile()
	fmt.Printf("a stream of %d MB of %s, medians of %d rounds:\n", *size, corpus, *rounds)
	proxy := median(took["ReverseProxy"])
	for _, way := range ways {
		s := median(took[way.name])
		fmt.Printf("  %-20s %6.0f MB/s, %.2f of ReverseProxy; %.2f s of processor time with server and client\n",
			way.name, float64(*size)/s, proxy/s, median(used[way.name]))
	}
}

// processorTime returns the seconds that the process has run on a processor.
func processorTime() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func memory(upstream string, recording bool) {
	command := exec.Command(os.Args[0], "-child", upstream, fmt.Sprintf("-records=%v", recording))
	command.Env = append(os.Environ(), "TMPDIR="+tapes) // which goes with its recordings
	out, err := command.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := command.Start(); err != nil {
		log.Fatal(err)
	}
	defer command.Process.Kill()
	var url string
	fmt.Fscanln(out, &url)
	rss := func() int { return residentKiB(command.Process.Pid) }
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0}}
	get := func(path string) *http.Response {
		response, err := client.Get(url + path)
		if err != nil {
			log.Fatal(err)
		}
		return response
	}
	warm := get("/large?mb=1&corpus=chat")
	io.Copy(io.Discard, warm.Body)
	warm.Body.Close()
	before := rss()
	var wg sync.WaitGroup
	responses := make([]*http.Response, *streams)
	for i := range responses {
		wg.Go(func() {
			responses[i] = get("/idle")
			io.ReadFull(responses[i].Body, make([]byte, len(delta)))
		})
	}
	wg.Wait()
	time.Sleep(time.Second)
	fmt.Printf("%d idle streams with page, recording %v: %.1f KiB each\n", *streams, recording, float64(rss()-before)/float64(*streams))
	for _, r := range responses {
		r.Body.Close()
	}
	endless := get("/large?mb=100000&corpus=chat")
	defer endless.Body.Close()
	var at []string
	for i := range 4 {
		if _, err := io.CopyN(io.Discard, endless.Body, 250<<20); err != nil {
			log.Fatal(err)
		}
		at = append(at, fmt.Sprintf("%d MB: %d MiB", (i+1)*250, rss()>>10))
	}
	fmt.Printf("  a stream that does not end, after %s\n", strings.Join(at, ", "))
}

func residentKiB(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		log.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var n int
	fmt.Sscan(rest, &n)
	return n
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
