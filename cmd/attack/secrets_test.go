//go:build attack

package attack

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/output"
	"github.com/ssectl/ssectl/pkg/stream"
)

// canary is a secret. It may be seen by the server that it is meant for, and
// nowhere else.
const canary = "kanarienvogel"

// leaks returns where the canary shows in a text, in any of the forms it is
// written in.
func leaks(text string) string {
	forms := []string{canary, url.QueryEscape(canary)}
	for _, pair := range []string{canary, "user:" + canary, "proxy:" + canary} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	for _, form := range forms {
		if at := strings.Index(text, form); at >= 0 {
			return text[max(0, at-80):min(len(text), at+len(form)+20)]
		}
	}
	return ""
}

// given are all the ways in which a secret can be given, for the URL of a
// server in place of URL and that of a proxy in place of PROXY.
var given = []struct {
	name string
	args []string
}{
	{"-u", []string{"-u", "user:" + canary, "URL"}},
	{"-H Authorization", []string{"-H", "Authorization: Bearer " + canary, "URL"}},
	{"-H Authorization without a scheme", []string{"-H", "Authorization: " + canary, "URL"}},
	{"-H Cookie", []string{"-H", "Cookie: session=" + canary, "URL"}},
	{"-H X-Api-Key", []string{"-H", "X-Api-Key: " + canary, "URL"}},
	{"-H Proxy-Authorization", []string{"-H", "Proxy-Authorization: Basic " + canary, "URL"}},
	{"-H X-Auth-Token", []string{"-H", "X-Auth-Token: " + canary, "URL"}},
	{"--oauth2-bearer", []string{"--oauth2-bearer", canary, "URL"}},
	{"user in the URL", []string{"USERURL"}},
	{"token in the query", []string{"URL?a=1&access_token=" + canary + "&b=2"}},
	{"key in the query", []string{"URL?key=" + canary}},
	{"signature in the query", []string{"URL?sig=" + canary}},
	{"fragment", []string{"URL#" + canary}},
	{"-b", []string{"-b", "session=" + canary, "URL"}},
	{"-b file", []string{"-b", "COOKIES", "URL"}},
	{"-H file", []string{"-H", "@HEADERS", "URL"}},
	{"proxy", []string{"-x", "PROXY", "URL"}},
	{"body", []string{"-d", `{"key":"` + canary + `"}`, "URL"}},
	{"JSON body", []string{"--json", `{"key":"` + canary + `"}`, "URL"}},
}

// A confidant is a server that is trusted with the canary, or not.
type confidant struct {
	url string

	mu   sync.Mutex // guards told
	told []string   // the requests, whole
}

func newConfidant(t *testing.T, answer http.HandlerFunc) *confidant {
	c := &confidant{}
	c.url = cmdtest.Handle(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.told = append(c.told, fmt.Sprint(r.Method, r.RequestURI, r.Header, string(body)))
		c.mu.Unlock()
		answer(w, r)
	})
	return c
}

// all returns the requests so far.
func (c *confidant) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.told, "\n")
}

// place puts the URLs and files of a test into arguments.
func place(t *testing.T, args []string, base, proxy string) []string {
	dir := t.TempDir()
	files := map[string]string{
		"COOKIES": "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t" + canary + "\n",
		"HEADERS": "Authorization: Bearer " + canary + "\nX-Api-Key: " + canary + "\n",
	}
	args = slices.Clone(args)
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range args {
			args[i] = strings.Replace(args[i], name, file, 1)
		}
	}
	replace := strings.NewReplacer(
		"USERURL", strings.Replace(base, "http://", "http://user:"+canary+"@", 1), "URL", base,
		"PROXY", strings.Replace(proxy, "http://", "http://proxy:"+canary+"@", 1),
	)
	for i := range args {
		args[i] = replace.Replace(args[i])
	}
	return args
}

// TestSecrets gives a secret in every way there is, to a server that streams,
// one that refuses, one that is not there, and one that sends the client away.
// The secret must reach the first, never another origin, and nothing that is
// printed or kept.
func TestSecrets(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", stream.ContentType)
		io.WriteString(w, "id: 1\nevent: x\ndata: hello\n\n")
	}
	other := newConfidant(t, answer)
	// Cookies know hosts, not ports.
	elsewhere := strings.Replace(other.url, "127.0.0.1", "localhost", 1)
	own := newConfidant(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refused":
			http.Error(w, "no", http.StatusUnauthorized)
		case "/away":
			http.Redirect(w, r, elsewhere, http.StatusFound)
		case "/broken":
			http.Redirect(w, r, "http://[::1?token="+canary, http.StatusFound)
		default:
			w.Header().Set("Set-Cookie", "session="+canary)
			answer(w, r)
		}
	})
	proxy := newConfidant(t, answer)
	gone := "http://127.0.0.1:1"
	for _, way := range given {
		for _, target := range []string{own.url + "/", own.url + "/refused", own.url + "/away", own.url + "/broken", gone + "/"} {
			args := place(t, way.args, target, proxy.url)
			checkListenSecrets(t, way.name, args)
			checkDiagSecrets(t, way.name, args)
		}
	}
	if got := leaks(other.all()); got != "" || len(other.told) == 0 {
		t.Errorf("sent to another origin: %q, in %d requests", got, len(other.told))
	}
	for _, trusted := range []*confidant{own, proxy} {
		if leaks(trusted.all()) == "" {
			t.Error("the secret did not reach the server it is for: the test tests nothing")
		}
	}
}

func checkListenSecrets(t *testing.T, way string, args []string) {
	t.Helper()
	dir := t.TempDir()
	record, har, cursor := filepath.Join(dir, "record.jsonl"), filepath.Join(dir, "x.har"), filepath.Join(dir, "cursor.json")
	all := append([]string{"listen", "-v", "-i", "-n", "1", "--stats=json", "--record", record, "--save-har", har, "--cursor", cursor}, args...)
	r := cmdtest.Run(t, "", all...)
	said := map[string]string{"stdout": r.Out, "stderr": r.Err}
	for _, file := range []string{record, har, cursor} {
		text, _ := os.ReadFile(file) // not all are there after an error
		said[filepath.Base(file)] = string(text)
	}
	for what, text := range said {
		if got := leaks(text); got != "" {
			t.Errorf("%s: listen %q: %s has %q", way, args, what, got)
		}
	}
}

func checkDiagSecrets(t *testing.T, way string, args []string) {
	t.Helper()
	dir := t.TempDir()
	all := append([]string{"diag", "--quick", "--all"}, args...)
	for _, format := range output.ReportFormatNames() {
		all = append(all, "--report", format+"="+filepath.Join(dir, format))
	}
	r := cmdtest.Run(t, "", all...)
	said := map[string]string{"stdout": r.Out, "stderr": r.Err}
	for _, format := range output.ReportFormatNames() {
		text, err := os.ReadFile(filepath.Join(dir, format))
		if err != nil {
			t.Errorf("%s: diag %q: %v", way, args, err)
		}
		said[format] = string(text)
	}
	for what, text := range said {
		if got := leaks(text); got != "" {
			t.Errorf("%s: diag %q: %s has %q", way, args, what, got)
		}
	}
}

// TestSecretsInMistakes mistypes command lines with a secret in them.
func TestSecretsInMistakes(t *testing.T) {
	for _, args := range [][]string{
		{"http://user:" + canary + "@ho st/"},
		{"http://user:" + canary + "@/"},
		{"ftp://user:" + canary + "@host/"},
		{"http://127.0.0.1:1/%zz?token=" + canary},
		{"-u", canary, ":1"},
		{"-H", canary, ":1"},
		{"-H", "Authorization=" + canary, ":1"},
		{"-H", "Authorization Bearer " + canary, ":1"},
		{"-H", "Authorization: " + canary + "\x01", ":1"},
		{"-H", "X Api Key: " + canary, ":1"},
		{"-x", "http://proxy:" + canary + "@ho st", ":1"},
		{"-x", "ftp://proxy:" + canary + "@host", ":1"},
		{"-x", "http://proxy:" + canary + "@127.0.0.1:1", ":1"},
		{"-x", "socks5://proxy:" + canary + "@127.0.0.1:1", ":1"},
		{"-b", "a=" + canary + "\x01", ":1"},
		{"--oauth2-bearer", canary + "\n", ":1"},
		{"--json", canary, ":1"},
		{":1", "-X", "BAD METHOD", "-u", "user:" + canary},
		{":1", "http://user:" + canary + "@127.0.0.1:1"},
	} {
		for _, command := range []string{"listen", "diag"} {
			r := cmdtest.Run(t, "", append([]string{command}, args...)...)
			if r.Code == 0 || r.Err == "" {
				t.Errorf("%s %q: exit code %d, stderr %q", command, args, r.Code, r.Err)
			}
			if got := leaks(r.Err + r.Out); got != "" {
				t.Errorf("%s %q says %q", command, args, got)
			}
		}
	}
}

// TestSecretsInServe sends secrets to serve: they must not be in its log nor in
// its statistics.
func TestSecretsInServe(t *testing.T) {
	s := serveAbused(t, "-")
	for _, request := range []string{
		"GET /?access_token=" + canary + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + canary + "\r\nCookie: a=" + canary + "\r\nX-Api-Key: " + canary + "\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n" + canary,
		"GET http://user:" + canary + "@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization " + canary + "\r\n\r\n",
		"GET /.ssectl/stats?token=" + canary + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn := s.dial(t)
		if conn == nil {
			return
		}
		io.WriteString(conn, request)
		if n, err := conn.Read(make([]byte, 1)); n == 0 {
			t.Errorf("request %q: %v", request, err)
		}
		defer conn.Close()
	}
	resp, err := http.Get("http://" + s.host + "/.ssectl/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stats, err := io.ReadAll(resp.Body)
	if got := leaks(string(stats)); got != "" || err != nil {
		t.Errorf("statistics: %q, %v", got, err)
	}
	s.stop()
	if code := <-s.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if log := s.log.String(); leaks(log) != "" || !strings.Contains(log, "POST /") {
		t.Errorf("log: %q in %s", leaks(log), log)
	}
}
