package listencmd_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/cmd/internal/cmdtest"
	fakes "github.com/ssectl/ssectl/pkg/serve/fake"
	"github.com/ssectl/ssectl/pkg/serve/fake/protocol"
	faults "github.com/ssectl/ssectl/pkg/serve/fault"
)

// TestProtocols reads from the fakes of protocols by their presets. A cut loses nothing
// where the protocol has a way to go on.
func TestProtocols(t *testing.T) {
	const said = "high water at six"
	tests := []struct {
		as, path, body, fault string
	}{
		{as: "a2a", path: "/", body: `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"parts":[{"text":"` + said + `"}]}}}`},
		{as: "a2a", path: "/", body: `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"parts":[{"text":"` + said + `"}]}}}`, fault: "drop@3:#1"},
		{as: "a2a", path: "/", body: `{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"parts":[{"text":"` + said + `"}]}}}`, fault: "drop@3:#1"},
		{as: "ag-ui", path: "/agent", body: `{"messages":[{"role":"user","content":"` + said + `"}]}`},
		{as: "langgraph", path: "/runs/stream", body: `{"input":{"messages":["` + said + `"]},"stream_mode":"messages-tuple"}`},
		{as: "langgraph", path: "/runs/stream", body: `{"input":{"messages":["` + said + `"]},"stream_mode":"messages-tuple","stream_resumable":true}`, fault: "drop@3:POST"},
		{as: "graphql", path: "/graphql", body: `{"query":"{ a }","variables":{"at":"six"}}`},
	}
	for _, test := range tests {
		t.Run(test.as+" "+test.fault, func(t *testing.T) {
			t.Parallel()
			service, err := protocol.New(test.as, protocol.Options{})
			if err != nil {
				t.Fatal(err)
			}
			options := fakes.Options{Service: service}
			if test.fault != "" {
				f, err := faults.Parse(test.fault)
				if err != nil {
					t.Fatal(err)
				}
				options.Faults = []faults.Fault{f}
			}
			handler, err := fakes.NewHandler(options)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(handler)
			defer server.Close()
			r := cmdtest.Run(t, "", "listen", server.URL+test.path, "--as", test.as, "--text", "--json", test.body, "--retry-delay", "1ms")
			want := said
			if test.as == "graphql" {
				want = `{"data":{"at":"six"}}`
			}
			if got := strings.TrimSpace(r.Out); got != want || r.Code != 0 {
				t.Errorf("exit %d, read %q; want %q\n%s", r.Code, got, want, r.Err)
			}
		})
	}
}
