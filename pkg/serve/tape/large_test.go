package tape

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/ssectl/ssectl/pkg/exchange"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

func TestLargeBodies(t *testing.T) {
	long := strings.Repeat("x", maxParsed)
	list := strings.Repeat(`"a",`, maxValues*2)
	beginning := strings.Repeat("0123456789abcdef", maxCompared/16)
	file := func(name, member, value string) string {
		return fmt.Sprintf(`{"meta":{"request":{"path":"/%s",%s:%s},"response":{"body":"%[1]s"}}}`, name, member, value)
	}
	dir := write(t, map[string]string{
		"1.jsonl": file("long", `"json"`, `{"text":"`+long+`\" \u007f","b":[1,2]}`),
		"2.jsonl": file("list", `"json"`, `[`+list+`"b"]`),
		"3.jsonl": file("text", `"body"`, `"`+long+`"`),
		"4.jsonl": file("cut", `"size":9000000,"body"`, `"`+beginning+`"`),
		"5.jsonl": file("limit", `"json"`, `["`+strings.Repeat("y", maxParsed-4)+`"]`),
	})
	_, base := play(t, dir, Options{})
	for _, test := range []struct {
		path, body string
		want       int
	}{
		{"/long", `{"text":"` + long + `\" \u007f","b":[1,2]}`, 200},
		{"/long", `{ "text" : "` + long + `\" \u007f",` + "\r\n\t" + `"b":[1, 2]}` + "\n", 200},
		{"/long", `{"text":"` + long + `\"  \u007f","b":[1,2]}`, 501},
		{"/long", `{"b":[1,2],"text":"` + long + `\" \u007f"}`, 501}, // as text
		{"/long", `{}`, 501},
		{"/list", `[` + strings.ReplaceAll(list, ",", ", ") + ` "b" ]`, 200},
		{"/list", `[` + list + `"c"]`, 501},
		{"/text", long, 200},
		{"/text", long + "x", 501},
		{"/cut", beginning + "and more", 200},
		{"/cut", beginning[:len(beginning)-1000] + strings.Repeat("-", 2000), 501},
		{"/cut", beginning[:1000], 501},
		{"/limit", `["` + strings.Repeat("y", maxParsed-4) + `"]`, 200},
		{"/limit", `[ "` + strings.Repeat("y", maxParsed-4) + `" ]`, 200},
	} {
		if response, text, _ := ask(t, base, call{method: "POST", target: test.path, body: test.body}); response.StatusCode != test.want || len(text) > 2000 {
			t.Errorf("%s with %d bytes: %d %.300s, want %d", test.path, len(test.body), response.StatusCode, text, test.want)
		}
	}
}

// A recorded request matches itself, whatever its size.
func TestLargeBodiesOfARecorder(t *testing.T) {
	r := newRecorder(t)
	list := []string{
		`{"a":"` + strings.Repeat("x", 1000) + `"}`,
		`{"a":"` + strings.Repeat("x", maxParsed) + `","key":"sk-proj-Ab3dEf6hIj9kLm2nOp5q"}`,
		`{"a": [` + strings.Repeat(`"a", `, maxValues+5) + `1]}`,
	}
	for i, body := range list {
		request, _ := http.NewRequest("POST", fmt.Sprintf("http://upstream.test/%d", i), nil)
		x := &exchange.Request{Method: "POST", URL: request.URL, Header: http.Header{"Content-Type": {"application/json"}}}
		w := r.Watch(x)
		x.Passed([]byte(body), DefaultMaxBody)
		x.Finished()
		w.Response(&exchange.Response{Status: 200, Header: http.Header{}})
		w.End(exchange.End{How: exchange.Whole})
	}
	_, base := play(t, r.Dir, Options{})
	for i, body := range list {
		if response, text, _ := ask(t, base, call{method: "POST", target: fmt.Sprintf("/%d", i), body: body}); response.StatusCode != 200 {
			t.Errorf("%d: %d %.300s", i, response.StatusCode, text)
		}
	}
}

// The memory for hostile bodies is bounded: that of all that is made for one, garbage
// with it.
func TestMemoryOfBodies(t *testing.T) {
	dir := write(t, map[string]string{"1.jsonl": `{"meta":{"request":{"path":"/","json":{"a":1}},"response":{"body":"x"}}}`})
	player, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	for name, body := range map[string]string{
		"short strings": "[" + strings.Repeat(`"a",`, size/4-1) + `"a"]`,
		"objects":       "[" + strings.Repeat(`{},`, size/3-1) + `{}]`,
		"one string":    `{"a":"` + strings.Repeat("x", size-20) + `"}`,
		"50 MB":         "[" + strings.Repeat(`"a",`, 50e6/4) + `"a"]`,
		"lines":         strings.Repeat("{\n", size/2),
	} {
		var before, after runtime.MemStats
		w := httptest.NewRecorder()
		request := httptest.NewRequest("POST", "/", strings.NewReader(body))
		runtime.ReadMemStats(&before)
		player.ServeHTTP(w, request)
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; w.Code != 501 || n > 40 {
			t.Errorf("%s: %d, %d MiB", name, w.Code, n)
		}
	}
}

// Large bodies wait for each other, small ones do not wait for them, and an answer that
// takes long holds up nobody.
func TestTurns(t *testing.T) {
	dir := write(t, map[string]string{
		"1.jsonl": `{"meta":{"request":{"path":"/"},"response":{"body":"x"}}}`,
		"2.jsonl": `{"meta":{"request":{"path":"/slow"}}}` + "\n" + `{"data":"a"}` + "\n" + `{"data":"b","delay":"1h"}`,
	})
	synctest.Test(t, func(t *testing.T) {
		player, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(path string, body io.Reader) int {
			w := httptest.NewRecorder()
			player.ServeHTTP(w, httptest.NewRequest("POST", path, body))
			return w.Code
		}
		large := strings.Repeat("x", answer.SmallBody+1)
		slow := make(chan int)
		go func() { slow <- ask("/slow", strings.NewReader(large)) }()
		synctest.Wait()
		reader, writer := io.Pipe()
		codes := make(chan int, 1)
		go func() { codes <- ask("/", reader) }()
		io.WriteString(writer, large)
		synctest.Wait()
		if code := ask("/", strings.NewReader("small")); code != 200 {
			t.Errorf("a small one: %d", code)
		}
		if code := ask("/", strings.NewReader(large)); code != 503 {
			t.Errorf("a large one beside another: %d", code)
		}
		writer.Close()
		if code := <-codes; code != 200 {
			t.Errorf("the first: %d", code)
		}
		if code := ask("/", strings.NewReader(large)); code != 200 {
			t.Errorf("a large one after another: %d", code)
		}
		if code := <-slow; code != 200 {
			t.Errorf("the slow one: %d", code)
		}
	})
}

// A body that is cut is none.
func TestCutBody(t *testing.T) {
	dir := write(t, map[string]string{"1.jsonl": `{"meta":{"response":{"body":"x"}}}`})
	player, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{10, answer.SmallBody + 10, maxCompared + 10} {
		w := httptest.NewRecorder()
		player.ServeHTTP(w, httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(strings.Repeat("x", size)), iotest.ErrReader(io.ErrUnexpectedEOF))))
		if w.Code != 400 {
			t.Errorf("%d bytes: %d", size, w.Code)
		}
	}
}

// The upstream gets the whole of a body that is too large to compare.
func TestLargeBodyGoesOn(t *testing.T) {
	dir := write(t, map[string]string{"1.jsonl": `{"meta":{"request":{"path":"/a"},"response":{"body":"tape"}}}`})
	_, base := play(t, dir, Options{Otherwise: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, h.Sum(nil), err)
	})})
	for _, size := range []int{1, answer.SmallBody, answer.SmallBody + 1, maxCompared, maxCompared + 1, maxCompared + 2, answer.MaxRequest + 1} {
		body := strings.Repeat("0123456789", size/10+1)[:size]
		want := fmt.Sprintf("%d %x %v", size, sha256.Sum256([]byte(body)), nil)
		if _, text, _ := ask(t, base, call{method: "POST", target: "/b", body: body}); text != want {
			t.Errorf("%d bytes: %q, want %q", size, text, want)
		}
	}
	if _, text, _ := ask(t, base, call{method: "POST", target: "/a", body: strings.Repeat("x", maxCompared+100000)}); text != "tape" {
		t.Errorf("%q, want tape", text)
	}
}

func TestHashCompact(t *testing.T) {
	for _, text := range []string{`{}`, ` [ 1 , "a b\" c\\" , { "é" : null } ] `, "{\n\t\"a\":\r\n\"\u2028\u0085 x\x7f\"}", `"\\"`, `"` + "\u2029" + `"`} {
		h := sha256.New()
		hashCompact(h, []byte(text))
		if got, want := h.Sum(nil), sha256.Sum256(compactJSON([]byte(text))); !bytes.Equal(got, want[:]) {
			t.Errorf("%q: not the hash of %q", text, compactJSON([]byte(text)))
		}
	}
}

// A line that is too long is refused before any of it is kept.
func TestLongLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "1.jsonl")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, "{\"comment\":\"x\"}\n{\"data\":\"")
	for range maxTapeLine/(1<<20) + 1 {
		file.Write(bytes.Repeat([]byte{'x'}, 1<<20))
	}
	io.WriteString(file, "\"}\n{\"data\":\"x\"}\n")
	file.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Open(filepath.Dir(name), Options{})
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; err == nil || !strings.Contains(err.Error(), "line 2: line is too long") || n > 4 {
		t.Errorf("%v, %d MiB", err, n)
	}
}
