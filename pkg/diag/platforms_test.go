package diag

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A platform is a fake of a hop as it breaks streams, with the names that it goes by.
type platform struct {
	header map[string]string
	host   string // of the URL, where it is known by that
	serve  func(*fake) func(http.ResponseWriter, *http.Request) bool
	change func(*run)

	check  string // that convicts it
	status Status
	hop    string // which the remedy is for
	remedy string // a part of it
}

// through has a fake answer through a hop.
func through(hop func(http.ResponseWriter, *http.Request) http.ResponseWriter) func(*fake) func(http.ResponseWriter, *http.Request) bool {
	return func(f *fake) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || r.URL.Path != "/events" {
				return false
			}
			f.answer(hop(w, r), r)
			return true
		}
	}
}

// A holder is a hop that keeps what is written until there is enough of it.
type holder struct {
	http.ResponseWriter
	size int
	held bytes.Buffer
	sent bool // the headers
}

func (h *holder) Write(p []byte) (int, error) {
	h.held.Write(p)
	for h.held.Len() >= h.size {
		if _, err := h.ResponseWriter.Write(h.held.Next(h.size)); err != nil {
			return 0, err
		}
		http.NewResponseController(h.ResponseWriter).Flush()
	}
	return len(p), nil
}

// FlushError lets go of the headers, and of nothing else.
func (h *holder) FlushError() error {
	if h.sent {
		return nil
	}
	h.sent = true
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// pieces is a hop that lets go of pieces of 4 KiB.
func pieces(w http.ResponseWriter, _ *http.Request) http.ResponseWriter {
	return &holder{ResponseWriter: w, size: 4 << 10}
}

// A zipper compresses for those who accept it. It flushes the start of a stream, or
// nothing at all.
type zipper struct {
	http.ResponseWriter
	zip *gzip.Writer
}

func zipped(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return w
	}
	w.Header().Set("Content-Encoding", "gzip")
	return &zipper{w, gzip.NewWriter(w)}
}

func (z *zipper) Write(p []byte) (int, error) { return z.zip.Write(p) }

// FlushError sends the headers, and what the compressor let go of by itself.
func (z *zipper) FlushError() error { return http.NewResponseController(z.ResponseWriter).Flush() }

// lateZip is a zipper whose headers wait for the first byte of its body, as those of
// Starlette's GZipMiddleware do.
type lateZip struct {
	zipper
	begun bool
}

func (z *lateZip) Write(p []byte) (int, error) {
	if len(p) > 0 {
		z.begun = true
	}
	n, err := z.zip.Write(p)
	z.zip.Flush()
	return n, err
}

func (z *lateZip) FlushError() error {
	if !z.begun {
		return nil
	}
	return z.zipper.FlushError()
}

func zippedLate(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if z, ok := zipped(w, r).(*zipper); ok {
		return &lateZip{zipper: *z}
	}
	return w
}

// atEnd is an app of twelve events, one each half second, whose answer is sent when it
// is whole.
func atEnd(*fake) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path != "/events" {
			return false
		}
		wait := time.NewTimer(6 * time.Second)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return true
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache")
		fmt.Fprint(w, strings.Repeat(chatChunk, 12), `data: {"object":"chat.completion.chunk","choices":[{"delta":{},"finish_reason":"stop"}]}`, "\n\ndata: [DONE]\n\n")
		return true
	}
}

// never sends nothing of the answer to a GET of the stream, as long as it goes on.
func never(*fake) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && r.URL.Path == "/events" {
			<-r.Context().Done()
			return true
		}
		return false
	}
}

// cutAt breaks streams off at an age, or after a silence.
func cutAt(age, silence time.Duration) func(*fake) func(http.ResponseWriter, *http.Request) bool {
	return func(f *fake) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || r.URL.Path != "/events" {
				return false
			}
			limit := age
			if silence > 0 {
				limit = silence
			}
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			if silence > 0 {
				w.Header().Set("Content-Type", "text/event-stream")
				w.Header().Set("Cache-Control", "no-cache")
				fmt.Fprint(w, "id: 1\ndata: x\n\n")
				http.NewResponseController(w).Flush()
				<-ctx.Done()
			} else {
				f.answer(w, r.WithContext(ctx))
			}
			if r.Context().Err() == nil {
				panic(http.ErrAbortHandler)
			}
			return true
		}
	}
}

// oneWorker serves one request after the other.
func oneWorker(f *fake) func(http.ResponseWriter, *http.Request) bool {
	// A channel of another bubble would stop the time of this one.
	free := sync.OnceValue(func() chan struct{} { return make(chan struct{}, 1) })
	return func(w http.ResponseWriter, r *http.Request) bool {
		select {
		case free() <- struct{}{}:
			defer func() { <-free() }()
			f.answer(w, r)
		case <-r.Context().Done():
		}
		return true
	}
}

// beating is an app whose heartbeats all have one ID.
func beating(f *fake) func(http.ResponseWriter, *http.Request) bool {
	content := f.event
	f.event = func(n int) string {
		if n%5 == 0 {
			return "event: heartbeat\nid: hb\ndata: {}\n\n"
		}
		return content(n)
	}
	return func(http.ResponseWriter, *http.Request) bool { return false }
}

// full is an app that has room for two streams, and does not say when to come back.
func full(f *fake) func(http.ResponseWriter, *http.Request) bool {
	var open atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		defer open.Add(-1)
		if open.Add(1) > 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		f.answer(w, r)
		return true
	}
}

// refusing is a hop that has to inspect whole answers, and says so.
func refusing(*fake) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Proxy-Status", "gateway.example; error=incremental_refused")
		w.WriteHeader(http.StatusNotImplemented)
		return true
	}
}

func withSoak(d time.Duration) func(*run) { return func(r *run) { r.Soak = d } }

// platforms are those that break streams in 2025 and 2026, and two apps, as far as a client can see
// it. Envoy has a test of its own, and so do products that open TLS.
var platforms = map[string]platform{
	"a hop that holds":             {serve: through(pieces), check: "incremental", status: Warn, hop: "app", remedy: "Incremental: ?1"},
	"a hop that refuses":           {serve: refusing, check: "incremental", status: Fail, hop: "app", remedy: "Proxy-Status"},
	"heartbeats with an ID":        {serve: beating, check: "id-control", status: Fail, hop: "app", remedy: "no id field"},
	"an app that is full":          {serve: full, check: "storm", status: Warn, hop: "app", remedy: "503 with Retry-After"},
	"Next.js rewrites":             {header: map[string]string{"X-Powered-By": "Next.js"}, serve: through(zipped), check: "buffer-compression", status: Fail, hop: "next", remedy: "Route Handler"},
	"a quick tunnel, live":         {host: "a-b-c.trycloudflare.com", header: map[string]string{"Cf-Ray": "1-FRA"}, serve: never, check: "headers-early", status: Fail, hop: "trycloudflare", remedy: "named tunnel"},
	"a quick tunnel":               {host: "a-b-c.trycloudflare.com", header: map[string]string{"Cf-Ray": "1-FRA"}, serve: atEnd, check: "buffer-whole", status: Fail, hop: "trycloudflare", remedy: "named tunnel"},
	"a Worker that reads the body": {host: "app.example.workers.dev", serve: atEnd, check: "buffer-whole", status: Fail, hop: "cloudflare", remedy: "new Response(upstream.body)"},
	"Fly":                          {header: map[string]string{"Fly-Request-Id": "x"}, serve: through(zipped), check: "buffer-compression", status: Fail, hop: "fly", remedy: "compress = false"},
	"Railway":                      {header: map[string]string{"X-Railway-Request-Id": "x"}, serve: through(pieces), check: "buffer-proxy", status: Fail, hop: "railway", remedy: "X-Accel-Buffering: no"},
	"Azure Static Web Apps":        {host: "app.1.azurestaticapps.net", serve: atEnd, check: "buffer-whole", status: Fail, hop: "azure", remedy: "another host"},
	"API Gateway":                  {header: map[string]string{"X-Amzn-Requestid": "x"}, serve: atEnd, check: "buffer-whole", status: Fail, hop: "apigw", remedy: "responseTransferMode=STREAM"},
	"Lambda":                       {host: "x.lambda-url.eu-west-1.on.aws", serve: atEnd, check: "buffer-whole", status: Fail, hop: "lambda", remedy: "RESPONSE_STREAM"},
	"CloudFront":                   {header: map[string]string{"X-Amz-Cf-Id": "x"}, serve: through(zipped), check: "buffer-compression", status: Fail, hop: "cloudfront", remedy: "Compress: false"},
	"Netlify":                      {header: map[string]string{"X-Nf-Request-Id": "x"}, serve: atEnd, check: "buffer-whole", status: Fail, hop: "netlify", remedy: "new Response(stream)"},
	"GZipMiddleware":               {header: map[string]string{"Server": "uvicorn"}, serve: through(zippedLate), check: "headers-early", status: Fail, hop: "uvicorn", remedy: "GZipMiddleware"},
	"Vercel, which cuts":           {header: map[string]string{"X-Vercel-Id": "x"}, serve: cutAt(300*time.Second, 0), change: withSoak(320 * time.Second), check: "lifetime-cut", status: Warn, hop: "vercel", remedy: "maxDuration"},
	"Vercel, on the edge":          {header: map[string]string{"X-Vercel-Id": "x"}, serve: never, check: "headers-early", status: Fail, hop: "vercel", remedy: "at once"},
	"Google Cloud, which cuts":     {header: map[string]string{"Via": "1.1 google"}, serve: cutAt(30*time.Second, 0), change: withSoak(40 * time.Second), check: "lifetime-cut", status: Fail, hop: "gcp", remedy: "timeoutSec"},
	"Bun, which cuts":              {serve: cutAt(0, 10*time.Second), check: "end-clean", status: Fail, hop: "bun", remedy: "idleTimeout"},
	"gunicorn":                     {header: map[string]string{"Server": "gunicorn"}, serve: oneWorker, check: "connect-parallel", status: Fail, hop: "app", remedy: "gunicorn -k gevent"},
	"PHP":                          {header: map[string]string{"X-Powered-By": "PHP/8.4"}, serve: through(pieces), check: "buffer-proxy", status: Fail, hop: "php", remedy: "output_buffering"},
	"IIS":                          {header: map[string]string{"Server": "Microsoft-IIS/10.0"}, serve: through(zipped), check: "buffer-compression", status: Fail, hop: "iis", remedy: "dynamicTypes"},
	"IIS with ARR":                 {header: map[string]string{"X-Powered-By": "ASP.NET"}, serve: through(pieces), check: "buffer-proxy", status: Fail, hop: "iis", remedy: "DisableBuffering()"},
}

// TestPlatforms runs diag as it is without flags, unless the limit of a platform is
// longer than that, against a fake of each: it is convicted by the check of its fault,
// with its own remedy first. The same server without the hop has none of the faults.
func TestPlatforms(t *testing.T) {
	for name, p := range platforms {
		f := &fake{every: 250 * time.Millisecond, first: "retry: 3000\n\n", event: func(n int) string {
			return fmt.Sprintf("id: %d\ndata: {\"n\":%d,\"text\":\"%s\"}\n\n", n, n, strings.Repeat("x", 700+n%7*40))
		}}
		if p.hop == "uvicorn" {
			f.every, f.first = 4*time.Second, ""
		}
		inner := p.serve(f)
		f.instead = func(w http.ResponseWriter, r *http.Request) bool {
			for name, value := range p.header {
				w.Header().Set(name, value)
			}
			return inner(w, r)
		}
		report := timed(t, f, func(r *run) {
			if p.change != nil {
				p.change(r)
			}
			if p.host != "" {
				r.at(p.host)
			}
		})
		c := finding(report, p.check)
		if c.Status != p.status || p.status == Fail && report.Outcome != Fail {
			t.Errorf("%s: %s is %s: %s; %s, want %s", name, p.check, c.Status, c.Actual, c.Seen, p.status)
			for _, c := range report.Checks {
				if c.Status.isFault() || c.Status == Inconclusive {
					t.Logf("  %s %s: %s (%s)", c.Status, c.ID, c.Actual, c.Seen)
				}
			}
			continue
		}
		i := slices.IndexFunc(c.Remedies, func(r Remedy) bool { return r.For == p.hop && strings.Contains(r.Text, p.remedy) })
		switch {
		case i < 0:
			t.Errorf("%s: no remedy for %s with %q: %+v", name, p.hop, p.remedy, c.Remedies)
		case p.hop != "app" && p.hop != "bun" && (!c.Remedies[i].Recognized || i > 1):
			t.Errorf("%s: the remedy for %s is number %d of %+v", name, p.hop, i+1, c.Remedies)
		}
		if limit := 2 * DefaultDuration; p.change == nil && report.Duration > limit+time.Second {
			t.Errorf("%s: took %v", name, report.Duration)
		}
	}
}

// at sends the requests of a run to the server by the name of another host.
func (r *run) at(host string) {
	alias(host+":80", r.Request.URL.Host)
	r.Request.URL.Host = host
}

// issuedBy returns a certificate for this machine, and the pool that trusts it.
func issuedBy(t *testing.T, organization string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := func(serial int64, subject pkix.Name, parent *x509.Certificate, ca bool) (*x509.Certificate, []byte) {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
			IsCA: ca, BasicConstraintsValid: ca, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c, der
	}
	root, _ := made(1, pkix.Name{Organization: []string{organization}, CommonName: organization + " Root"}, nil, true)
	_, leaf := made(2, pkix.Name{CommonName: "127.0.0.1"}, root, false)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}, pool
}

// TestInterceptors has products open TLS before a server, by their certificates.
func TestInterceptors(t *testing.T) {
	for name, test := range map[string]struct {
		issuer  string
		held    bool
		trusted bool
		want    Status
		outcome Status
	}{
		"nobody":                     {"Example Trust", false, true, Pass, Pass},
		"Kaspersky":                  {"AO Kaspersky Lab", false, true, Info, Pass},
		"Kaspersky, which holds":     {"AO Kaspersky Lab", true, true, Warn, Fail},
		"Zscaler, not trusted":       {"Zscaler Inc.", false, false, Warn, Error},
		"an authority not trusted":   {"Example Trust", false, false, Pass, Error},
		"Netskope, nothing verified": {"Netskope", false, true, Info, Pass},
	} {
		synctest.Test(t, func(t *testing.T) {
			certificate, pool := issuedBy(t, test.issuer)
			f := &fake{every: 250 * time.Millisecond, start: time.Now(), first: "retry: 3000\n\n", event: func(n int) string {
				return fmt.Sprintf("id: %d\ndata: {\"n\":%d,\"text\":\"%s\"}\n\n", n, n, strings.Repeat("x", 700+n%7*40))
			}}
			if test.held {
				f.instead = through(pieces)(f)
			}
			server := serveInMemory(t, f, func(s *httptest.Server) {
				s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
				s.StartTLS()
			})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			config := &tls.Config{InsecureSkipVerify: strings.Contains(name, "nothing verified")}
			if config.RootCAs = x509.NewCertPool(); test.trusted {
				config.RootCAs = pool
			}
			options := Options{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}}
			inMemory(&options)
			report, err := Run(t.Context(), request, options)
			if err != nil {
				t.Fatal(err)
			}
			c := finding(report, "tls-interceptor")
			if c.Status != test.want || report.Outcome != test.outcome {
				for _, c := range report.Checks {
					if c.Status.isFault() || c.Status == Inconclusive {
						t.Logf("  %s %s: %s (%s)", c.Status, c.ID, c.Actual, c.Seen)
					}
				}
				t.Errorf("%s: tls-interceptor is %s (%s; %s), outcome %s, want %s and %s", name, c.Status, c.Actual, c.Seen, report.Outcome, test.want, test.outcome)
			}
			product, _, _ := strings.Cut(name, ",")
			if known := test.want != Pass; known != (report.Path.Interceptor == product) {
				t.Errorf("%s: the report names %q", name, report.Path.Interceptor)
			}
			if c.Status == Warn && (len(c.Remedies) == 0 || !strings.Contains(c.Remedies[0].Text, "exempt the host")) {
				t.Errorf("%s: remedies %+v", name, c.Remedies)
			}
		})
	}
}
