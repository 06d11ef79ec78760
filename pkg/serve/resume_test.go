package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/stream"
)

func TestUnknownLastEventID(t *testing.T) {
	for _, test := range []struct {
		on             serve.UnknownID
		status         int
		position, want string
	}{
		{"", 200, "earliest", wireOf(1, 2, 3)},
		{serve.UnknownStart, 200, "earliest", wireOf(1, 2, 3)},
		{serve.UnknownLive, 200, "3", ": ok\n\n"},
		{serve.UnknownGap, 200, "earliest", "event: gap\ndata: \"x\"\n\n" + wireOf(1, 2, 3)},
		{serve.UnknownStop, 204, "", ""},
		{serve.UnknownConflict, 409, "", "Conflict\n"},
	} {
		response, body := get(t, start(t, &serve.Handler{History: numbered(3), Options: serve.Options{OnUnknownID: test.on}}), "Last-Event-ID", "x")
		if got := response.Header.Get("Last-Event-ID"); response.StatusCode != test.status || got != test.position || body != test.want {
			t.Errorf("%q: status %d, Last-Event-ID %q, body %q; want %d, %q, %q", test.on, response.StatusCode, got, body, test.status, test.position, test.want)
		}
	}
}

func TestResponseStatesThePosition(t *testing.T) {
	url := start(t, &serve.Handler{History: numbered(3)})
	if response, _ := get(t, url, "Last-Event-ID", "2"); response.Header.Get("Last-Event-ID") != "2" {
		t.Errorf("Last-Event-ID %q, want 2", response.Header.Get("Last-Event-ID"))
	}
	if response, _ := get(t, url); response.Header.Values("Last-Event-ID") != nil {
		t.Errorf("a client that does not resume is told a position: %q", response.Header.Values("Last-Event-ID"))
	}
}

func TestByteRanges(t *testing.T) {
	url := start(t, &serve.Handler{History: load(t, "../../testdata/streams/mercure.sse", record.IDsKeep)})
	whole, _ := os.ReadFile("../../testdata/streams/mercure.sse")
	response, _ := get(t, url)
	tag := response.Header.Get("ETag")
	if tag == "" || response.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("ETag %q, Accept-Ranges %q", tag, response.Header.Get("Accept-Ranges"))
	}
	for offset := range len(whole) {
		response, body := get(t, url, "Range", fmt.Sprintf("bytes=%d-", offset), "If-Range", tag)
		if want := fmt.Sprintf("bytes %d-%d/%d", offset, len(whole)-1, len(whole)); response.StatusCode != 206 || body != string(whole[offset:]) || response.Header.Get("Content-Range") != want {
			t.Fatalf("offset %d: status %d, Content-Range %q, body %q; want %q", offset, response.StatusCode, response.Header.Get("Content-Range"), body, whole[offset:])
		}
	}
	for _, test := range []struct {
		method string
		header []string
		status int
	}{
		{"GET", []string{"Range", fmt.Sprintf("bytes=%d-", len(whole))}, 416},
		{"GET", []string{"Range", "bytes=7-", "If-Range", `"other"`}, 200},
		{"GET", []string{"Range", "bytes=7-9"}, 200}, // ranges with an end may be ignored
		{"GET", []string{"Range", "lines=7-"}, 200},
		{"GET", []string{"Range", "bytes=99999999999999999999-"}, 200},
		{"HEAD", nil, 200},
		{"HEAD", []string{"Range", "bytes=7-"}, 200}, // RFC 9110 defines ranges for GET
	} {
		request, _ := http.NewRequest(test.method, url, nil)
		for i := 0; i < len(test.header); i += 2 {
			request.Header.Set(test.header[i], test.header[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.status || test.status == 200 && response.Header.Get("ETag") != tag {
			t.Errorf("%s %q: status %d, ETag %q; want %d, %q", test.method, test.header, response.StatusCode, response.Header.Get("ETag"), test.status, tag)
		}
		if want := fmt.Sprintf("bytes */%d", len(whole)); test.status == 416 && response.Header.Get("Content-Range") != want {
			t.Errorf("416 with Content-Range %q, want %q", response.Header.Get("Content-Range"), want)
		}
	}
}

// TestByteRangesAreOfDigits ignores a Range that is none by the standard.
func TestByteRangesAreOfDigits(t *testing.T) {
	url := start(t, &serve.Handler{History: numbered(3)})
	for _, value := range []string{"bytes=+5-", "bytes=-5-", "bytes= 5-", "bytes=0x5-", "bytes=5_0-", "bytes=-"} {
		if response, _ := get(t, url, "Range", value); response.StatusCode != 200 {
			t.Errorf("%s: status %d, want 200", value, response.StatusCode)
		}
	}
}

func TestByteRangesAfterADrop(t *testing.T) {
	url := faulty(t, numbered(5), "drop@2")
	response, first := get(t, url)
	_, second := get(t, url, "Range", fmt.Sprintf("bytes=%d-", len(wireOf(1, 2))), "If-Range", response.Header.Get("ETag"))
	if want := wireOf(1, 2) + "<unexpected EOF>" + wireOf(3, 4) + "<unexpected EOF>"; first+second != want {
		t.Errorf("got %q, want %q", first+second, want)
	}
}

func TestNoByteRangesWhereBytesAreNotThoseOfTheFile(t *testing.T) {
	for name, h := range map[string]*serve.Handler{
		"live":        {History: &serve.History{}},
		"close event": {History: numbered(2), Options: serve.Options{CloseEvent: "bye"}},
		"retry hint":  {History: numbered(2), Options: serve.Options{RetryHint: time.Second}},
		"stamps":      {History: numbered(2), Options: serve.Options{Stamp: true}},
		"loop":        {History: numbered(2), Options: serve.Options{Rounds: 2}},
		"heartbeats":  {History: numbered(2), Options: serve.Options{Pace: serve.Pace{Every: time.Minute}}},
	} {
		request, _ := http.NewRequest("HEAD", start(t, h), nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.Header.Get("ETag") != "" || response.Header.Get("Accept-Ranges") != "" {
			t.Errorf("%s: ETag %q, Accept-Ranges %q; want none", name, response.Header.Get("ETag"), response.Header.Get("Accept-Ranges"))
		}
	}
}

// TestReplica is the other processes of TestReplicasNeedNoSharedState.
func TestReplica(t *testing.T) {
	file := os.Getenv("SSECTL_TEST_REPLICA")
	if file == "" {
		t.Skip("for TestReplicasNeedNoSharedState")
	}
	fmt.Println(faulty(t, load(t, file, record.IDsAuto), "drop@41"))
	io.Copy(io.Discard, os.Stdin) // until the other side closes it
}

func TestReplicasNeedNoSharedState(t *testing.T) {
	const events = 5000
	file := t.TempDir() + "/events.txt"
	var text strings.Builder
	for i := range events {
		fmt.Fprintln(&text, "line", i)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var urls []string
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 3 {
		command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestReplica$", "-test.v")
		command.Env = append(os.Environ(), "SSECTL_TEST_REPLICA="+file)
		in, err := command.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		defer command.Wait()
		defer in.Close()
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "http") {
		}
		urls = append(urls, lines.Text())
	}
	var got []string
	d := stream.NewDecoder(nil)
	for hop := 0; ; hop++ {
		request, _ := http.NewRequest("GET", urls[hop%len(urls)], nil)
		if d.LastEventID() != "" {
			request.Header.Set("Last-Event-ID", d.LastEventID())
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode == 204 {
			break
		}
		d.Reset(response.Body)
		for event := range d.Events() {
			if event.Data != "" {
				got = append(got, event.Data)
			}
		}
		response.Body.Close()
		if hop > 2*events/41 {
			t.Fatalf("no end after %d connections, with %d events", hop, len(got))
		}
	}
	for i := range max(len(got), events) {
		if i >= len(got) || i >= events || got[i] != fmt.Sprint("line ", i) {
			t.Fatalf("event %d of %d is wrong; want %d, none twice", i, len(got), events)
		}
	}
}
