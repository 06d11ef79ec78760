package curl_test

import (
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/pkg/stream"
)

// TestMain lets the tests run ssectl as a program.
func TestMain(m *testing.M) { cmdtest.Main(m) }

// curlLines are written as the documentation of APIs writes them, with $URL for
// the place, $KEY for the key, and the files that some have beside them.
var curlLines = []struct{ name, line string }{
	{"chat completions", `curl $URL/v1/chat/completions \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $KEY" \
  -d '{
    "model": "sample-4",
    "messages": [{"role": "user", "content": "Hello!"}],
    "stream": true
  }'`},
	{"messages", `curl $URL/v1/messages \
     --header "x-api-key: $KEY" \
     --header "anthropic-version: 2023-06-01" \
     --header "content-type: application/json" \
     --data \
'{
    "model": "sample-sonnet",
    "max_tokens": 1024,
    "stream": true,
    "messages": [{"role": "user", "content": "It'"'"'s me"}]
}'`},
	{"generate content", `curl "$URL/v1beta/models/sample-flash:streamGenerateContent?alt=sse" \
  -H "x-goog-api-key: $KEY" \
  -H 'Content-Type: application/json' \
  --no-buffer \
  -X POST \
  -d '{"contents": [{"parts": [{"text": "Explain tides"}]}]}'`},
	{"reference page", `curl --request POST \
  --url $URL/v1/responses \
  --header 'accept: text/event-stream' \
  --header 'authorization: Bearer '$KEY \
  --header 'content-type: application/json' \
  --data '{"input":"hi","stream":true}'`},
	{"collection tool", `curl --location "$URL/api/events" --header 'Accept: text/event-stream' --data-raw '@not a file'`},
	{"local model", `curl -N http://${URL#http://}/v1/chat/completions -d '{"stream": true}' -H "Content-Type: application/json"`},
	{"protocol server", `curl -sN -X POST $URL/mcp -H 'Accept: application/json, text/event-stream' -H 'Content-Type: application/json' -H 'Mcp-Session-Id: 1868a90c' --data-binary @body.json`},
	{"hub", `curl -s -N -u user:pass -H "Last-Event-ID: urn:uuid:1" "$URL/.well-known/mercure?topic=https%3A%2F%2Fexample.com%2Fbooks%2F%7Bid%7D"`},
	{"short flags together", `curl -sSNLXPOST -A agent -b a=1 -b 'b=2; c=3' -d a=1 -d @body.json --data-raw '@x' $URL/form`},
	{"json", `curl --json '{"a":1}' --json @body.json $URL/json`},
	{"json from standard input", `echo '{"stream":true}' | curl -sfN --json @- $URL/json`},
	{"headers from a file", `curl -H @headers.txt -H 'X-Empty;' -H 'Accept:' -H 'User-Agent:' --oauth2-bearer $KEY $URL/h`},
	{"two of a name", `curl -H 'X-A: 1' -H 'X-A: 2' --url "$URL/two" -H "Host: other.example"`},
	{"no scheme", `curl ${URL#http://}/plain`},
	{"cookie file", `curl -b cookies.txt localhost:${URL##*:}/jar`},
	{"path with dots", `curl "$URL/a/../b/./c/" -H "X-Dots: ."`},
	{"delete", `curl -X DELETE "$URL/x?b=2&a=%20"`},
	{"compressed", `curl --compressed -sN $URL/z --http1.1 -4`},
	{"other place", `curl --resolve api.example.com:80:127.0.0.1 --connect-to api.example.com:80:127.0.0.1:${URL##*:} http://api.example.com/v1 -m 5 --connect-timeout 2.5 --retry 3 --retry-delay 1`},
}

// seen is a request as the server sees it.
type seen struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

// TestTakesCurlLines runs each line with curl and with ssectl listen in
// its place, by the same shell: the server must see the same request.
func TestTakesCurlLines(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil && os.Getenv("SSECTL_TEST_ALL") == "" {
		t.Skip("no curl")
	}
	var (
		mu       sync.Mutex // guards requests
		requests []seen
	)
	url := cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		requests = append(requests, seen{r.Method, r.RequestURI, r.Host, string(body), r.Header})
		mu.Unlock()
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "data: ok\n\n")
	})
	dir := t.TempDir()
	for name, text := range map[string]string{
		"body.json":   "{\n  \"n\": 1\r\n}\n",
		"headers.txt": "# not a header\nX-One: 1\r\nX-Two: zwei und drei\n",
		"cookies.txt": "# Netscape HTTP Cookie File\nlocalhost\tFALSE\t/\tFALSE\t0\tname\tvalue\n#HttpOnly_localhost\tFALSE\t/jar\tFALSE\t0\tother\tx\nelsewhere\tFALSE\t/\tFALSE\t0\tno\tno\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sh := func(t *testing.T, line string) []seen {
		mu.Lock()
		requests = nil
		mu.Unlock()
		run := exec.Command("sh", "-c", line)
		run.Dir = dir
		run.Env = append(os.Environ(), "URL="+url, "KEY=geheim")
		if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "ok") {
			t.Fatalf("%s\n%v: %s", line, err, out)
		}
		mu.Lock()
		defer mu.Unlock()
		return requests
	}
	for _, test := range curlLines {
		t.Run(test.name, func(t *testing.T) {
			want := sh(t, test.line)
			got := sh(t, strings.ReplaceAll(test.line, "curl ", "ssectl listen -n 1 "))
			for _, all := range [][]seen{got, want} {
				for i := range all {
					all[i].Header = comparable(all[i].Header)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s\ngot  %+v\nwant %+v", test.line, got, want)
			}
		})
	}
}

// comparable leaves out the headers in which the two programs differ by design.
func comparable(header http.Header) http.Header {
	header = header.Clone()
	for i, cookies := range header["Cookie"] {
		header["Cookie"][i] = strings.ReplaceAll(cookies, "; ", ";") // curl leaves out a blank that RFC 6265 wants
	}
	maps.DeleteFunc(header, func(name string, values []string) bool {
		isOurs := slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, "ssectl/") || strings.HasPrefix(v, "curl/") })
		switch name {
		case "Accept":
			return !strings.Contains(values[0], ",")
		case "Accept-Encoding", "Cache-Control":
			return true
		}
		return name == "User-Agent" && isOurs
	})
	return header
}
