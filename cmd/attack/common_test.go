//go:build attack

package attack

import (
	"io"
	"log"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// TestMain clears the proxies in the environment of the developer.
func TestMain(m *testing.M) {
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy", "no_proxy"} {
		os.Unsetenv(name)
		os.Unsetenv(strings.ToUpper(name))
	}
	log.SetOutput(io.Discard) // as cmd.Main does: net/http has a word for each cut
	cmdtest.Main(m)
}

// newSeed returns the seed of a test, random unless SSECTL_TEST_SEED gives one,
// and prints it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SSECTL_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SSECTL_TEST_SEED=%d", seed)
	return seed
}

// cases returns how many cases a test generates: SSECTL_TEST_CASES, or usual.
func cases(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("SSECTL_TEST_CASES")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
