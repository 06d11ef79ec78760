package servecmd_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/cmd"
	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	"github.com/ssectl/ssectl/cmd/internal/term"
)

func TestStopsWithinASecond(t *testing.T) {
	r := cmdtest.Start(t, nil, "../../testdata/streams/openai-chat.sse", "--loop")
	address := strings.Trim(strings.TrimPrefix(r.URL, "http://"), "/")
	for range 3 { // they take nothing, and are in the middle of a write
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		io.ReadFull(conn, make([]byte, 1000))
	}
	begin := time.Now()
	r.Stop()
	select {
	case code := <-r.Code:
		if code != 0 {
			t.Errorf("exit code %d, want 0:\n%s", code, r.Log)
		}
	case <-time.After(time.Minute):
		t.Fatal("does not stop")
	}
	t.Logf("stopped after %v", time.Since(begin))
	if got := strings.Count(r.Log.String(), "closed by the server"); got != 3 {
		t.Errorf("%d connections were closed by the server, want 3:\n%s", got, r.Log)
	}
}

func TestReplaysRecordingsOfAllSamples(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/streams/*.sse")
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			recording := filepath.Join(t.TempDir(), "recording.jsonl")
			var out bytes.Buffer
			streams := &term.Streams{Out: &out, Err: io.Discard}
			origin := cmdtest.Start(t, nil, file, "--pace", "1ms")
			if code := cmd.Run(t.Context(), streams, []string{"listen", origin.URL, "--no-reconnect", "--record", recording, "--format", "raw"}); code != 0 || !bytes.Equal(out.Bytes(), want) {
				t.Fatalf("listen: exit code %d, got %q, want %q", code, &out, want)
			}
			for _, pace := range []string{"instant", "recorded"} {
				response, err := http.Get(cmdtest.Start(t, nil, recording, "--pace", pace).URL)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				if !bytes.Equal(got, want) || err != nil {
					t.Errorf("%s: %.300q, %v;\nwant %.300q", pace, got, err, want)
				}
			}
		})
	}
}

func TestWithACertificate(t *testing.T) {
	other := httptest.NewTLSServer(nil) // for its certificate
	defer other.Close()
	pair := other.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := cmdtest.Start(t, nil, "../../testdata/streams/flags.sse", "--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem"))
	response, err := other.Client().Get(r.URL) // which trusts that certificate alone
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 || !strings.HasPrefix(r.URL, "https://") {
		t.Errorf("%s: status %d", r.URL, response.StatusCode)
	}
}

func TestTellsOfBadLiveInputAndGoesOn(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	r := cmdtest.Start(t, in, "--heartbeat", "0")
	response, err := http.Get(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := make([]byte, 6)
	io.ReadFull(response.Body, body) // ": ok"
	for _, line := range []string{"a", "b"} {
		fmt.Fprintf(out, "{\"data\":%q}\n{nothing\x1b[2J\n", line)
		want := fmt.Sprintf("data: %s\n\n", line)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	out.Close()
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || err != nil {
		t.Errorf("after the end of the input: %q, %v", rest, err)
	}
	log := r.Log.String()
	if !strings.Contains(log, "standard input: line 2: ") || !strings.Contains(log, "line 4: ") || strings.Contains(log, "\x1b") {
		t.Errorf("log: %q", log)
	}
}

func TestWithoutInputOnATerminal(t *testing.T) {
	var log bytes.Buffer
	code := cmd.Run(t.Context(), &term.Streams{InTerminal: true, Out: io.Discard, Err: &log}, []string{"serve", "-p", "0"})
	if code != 2 || !strings.Contains(log.String(), "hint: give a FILE") {
		t.Errorf("exit code %d: %s", code, &log)
	}
}
