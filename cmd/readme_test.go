//go:build unix

package cmd_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notRun are the blocks that other tests run: the demo has a script, and the
// tests are this.
var notRun = map[string]bool{"go run . demo\n": true, "go test ./...\n": true}

// wants are parts of the output of a block, by a line of the block.
var wants = map[string]string{
	"--as openai --text\n":     "Harbour tide",
	"--ttft 50ms":              "Low water is at noon.",
	"/.ssectl/exchanges":       "\nwhole\n",
	"--as openai-responses":    ", for the rest after 7",
	"--jq .json.symbol":        "ACME\n",
	"paste -sd' '":             "1 2 3 4 5\n",
	"--format data":            "one\ntwo\n",
	"cut: curl exits with":     "cut: curl exits with 18\n",
	"first: curl exits with":   "second: whole\n",
	"grep -c ^data":            "9\n",
	"-r .error.message":        "body .stream is false, recorded true",
	`jq -e '.outcome == "pass`: "true\n",
}

// TestREADME runs every shell block of the README as a user would paste it,
// with the ports replaced by free ones. Servers in the background are given the
// time that a typing user gives them.
func TestREADME(t *testing.T) {
	for _, program := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("SSECTL_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 10 {
		t.Fatalf("found %d blocks", len(blocks))
	}
	prepare := blocks[2][1] // makes the files that the others speak of
	seen := 0
	for i, block := range blocks {
		if notRun[block[1]] || i == 2 {
			continue
		}
		t.Run(fmt.Sprintf("%d", i+1), func(t *testing.T) {
			t.Parallel()
			out := runBlock(t, prepare, block[1])
			for line, want := range wants {
				if strings.Contains(block[1], line) && !strings.Contains(out, want) {
					t.Errorf("%s\nprinted\n%s\nwant %q in it", block[1], out, want)
				}
			}
		})
		for line := range wants {
			if strings.Contains(block[1], line) {
				seen++
			}
		}
	}
	if seen != len(wants) {
		t.Errorf("%d of %d expectations are of a block", seen, len(wants))
	}
}

// recipeWants are parts of the output of a block of the recipes, by a line of the block.
var recipeWants = map[string]string{
	"jq -r .error.code":     "rate_limit_exceeded\n",
	"--as openai-responses": "\nLow water is at noon.",
	"jq -r '.content[0]":    "Low water is at noon.\n",
	"?alt=sse":              `"finishReason":"STOP"`,
	"/api/chat/c1/stream":   "\n204\n",
	"answers/tide.yaml":     `{"name":"tide","arguments":"{\"port\":\"Wick\"}"}` + "\n",
	"-r .content":           "06:40\n",
	"--slots 2":             "POST /v1/chat/completions 200 from openai",

	"mcp-listen":                 "0 failed  3 passed",
	"/sse":                       "event: endpoint\ndata: /messages?sessionId=session-",
	"agent-card.json":            "1.0\n",
	"SendStreamingMessage":       "Low water is at noon.",
	"/agent -d":                  `"type":"RUN_FINISHED"`,
	"stream_resumable":           "noon.",
	"--as graphql --text --json": `{"data":{"tide":"Low water is at noon."}}`,
	"?token=":                    `data: {"id":"a","payload":{"data":{"tide":"Low water is at noon."}}}`,
	"--last-event-id \"$id\"":    "taken",
	"hold --cors":                "Access-Control-Allow-Credentials: true",
}

// TestRecipesOfFakes runs the shell blocks of docs/recipes.md that are of fakes, as those of the
// README. Its settings for other programs are above them.
func TestRecipesOfFakes(t *testing.T) {
	for _, program := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("SSECTL_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	text, err := os.ReadFile("../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, fakes, ok := strings.Cut(string(text), "\n## Fakes\n")
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(fakes, -1)
	if !ok || len(blocks) < 5 {
		t.Fatalf("found %d blocks", len(blocks))
	}
	for i, block := range blocks {
		t.Run(fmt.Sprintf("%d", i+1), func(t *testing.T) {
			t.Parallel()
			out := runScript(t, usePorts(t, block[1])) // which waits for its server itself
			for line, want := range recipeWants {
				if strings.Contains(block[1], line) && !strings.Contains(out, want) {
					t.Errorf("%s\nprinted\n%s\nwant %q in it", block[1], out, want)
				}
			}
		})
	}
	for line := range recipeWants {
		if !strings.Contains(fakes, line) {
			t.Errorf("no block has %q", line)
		}
	}
}

// runBlock runs a block in a directory of its own, after the block that
// prepares files, and returns its output.
func runBlock(t *testing.T, prepare, block string) string {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return runScript(t, strings.ReplaceAll(prepare, "testdata/", root+"/testdata/")+awaitServers(usePorts(t, block)))
}

// runScript runs lines of a shell in a directory of their own, and returns their output.
func runScript(t *testing.T, script string) string {
	dir := t.TempDir()
	script = "set -euo pipefail\nKEY=secret\n" + script
	if err := os.WriteFile(filepath.Join(dir, "block.sh"), []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "ssectl")); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "block.sh")
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to end background processes too
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c.Stdout, c.Stderr = out, out
	err = c.Run()
	syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
	text, _ := os.ReadFile(out.Name())
	if err != nil {
		t.Fatalf("%v:\n%s\nprinted\n%s", err, script, text)
	}
	return string(text)
}

// usePorts replaces the ports of a block with free ones.
func usePorts(t *testing.T, block string) string {
	if !strings.Contains(block, "-p 8080") {
		block = regexp.MustCompile(`(?m)^(.*ssectl serve [^&\n]*?)( &)$`).ReplaceAllStringFunc(block, func(line string) string {
			if strings.Contains(line, " -p ") {
				return line
			}
			return strings.TrimSuffix(line, " &") + " -p 8080 &"
		})
		block = strings.ReplaceAll(block, "ssectl serve &", "ssectl serve -p 8080 &")
	}
	// At once: a free port may hold the digits of one that is replaced.
	return strings.NewReplacer("8080", freePort(t), "8081", freePort(t)).Replace(block)
}

// freePort returns a port that nobody listens on. It is below those that systems
// give to connections and to port 0, so that none of these takes it meanwhile.
func freePort(t *testing.T) string {
	for range 1000 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// awaitServers waits after each line that leaves a server in the background
// until it takes connections.
func awaitServers(block string) string {
	return regexp.MustCompile(`(?m)^(.*-p (\d+).*) &$`).ReplaceAllString(block,
		"$1 &\nfor i in {1..500}; do (: < /dev/tcp/127.0.0.1/$2) 2>/dev/null && break || sleep 0.02; done")
}
