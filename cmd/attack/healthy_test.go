package attack

import (
	"strings"
	"testing"
)

// TestHealthyServer has diag watch servers for whole windows: one that goes on
// and one that ends must get no failure and no warning.
func TestHealthyServer(t *testing.T) {
	clock := serveFile(t, "--clock", "200ms")
	r := ssectl(t, "", "diag", clock, "--duration", "7s", "--format", "json")
	r.check(t, 0)
	if strings.Contains(r.out, `"status": "fail"`) || strings.Contains(r.out, `"status": "warn"`) ||
		!strings.Contains(r.out, `"outcome": "pass"`) || !strings.Contains(r.out, `"verdict": "resumed-exact"`) {
		t.Errorf("a healthy server: %s", r.out)
	}
	r = ssectl(t, "", "diag", clock, "--quick")
	if r.check(t, 0); strings.Contains(r.out, "buffer-proxy") || !strings.Contains(r.out, "content-type") {
		t.Errorf("a quick look: %s", r.out)
	}
	chat := serveFile(t, "../../testdata/streams/openai-chat.sse", "--pace", "50ms")
	r = ssectl(t, "", "diag", chat, "--fail-on", "warn")
	if r.check(t, 0); strings.Contains(r.out, "FAIL") || !strings.Contains(r.out, "llm-terminal") {
		t.Errorf("an answer of a model: %s", r.out)
	}
}
