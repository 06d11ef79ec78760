//go:build attack

package attack

import (
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
)

// TestHealthyServer has diag watch servers for whole windows: one that goes on
// and one that ends must get no failure and no warning.
func TestHealthyServer(t *testing.T) {
	clock := cmdtest.Serve(t, "--clock", "200ms")
	r := cmdtest.Run(t, "", "diag", clock, "--duration", "7s", "--format", "json")
	r.Check(t, 0)
	if strings.Contains(r.Out, `"status": "fail"`) || strings.Contains(r.Out, `"status": "warn"`) ||
		!strings.Contains(r.Out, `"outcome": "pass"`) || !strings.Contains(r.Out, `"verdict": "resumed-exact"`) {
		t.Errorf("a healthy server: %s", r.Out)
	}
	r = cmdtest.Run(t, "", "diag", clock, "--quick")
	if r.Check(t, 0); strings.Contains(r.Out, "buffer-proxy") || !strings.Contains(r.Out, "content-type") {
		t.Errorf("a quick look: %s", r.Out)
	}
	chat := cmdtest.Serve(t, "../../testdata/streams/openai-chat.sse", "--pace", "50ms")
	r = cmdtest.Run(t, "", "diag", chat, "--fail-on", "warn")
	if r.Check(t, 0); strings.Contains(r.Out, "FAIL") || !strings.Contains(r.Out, "llm-terminal") {
		t.Errorf("an answer of a model: %s", r.Out)
	}
}
