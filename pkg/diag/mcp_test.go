package diag

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ssectl/ssectl/pkg/diag/internal/check"
)

// A statelessMCP is a server of MCP 2026-07-28, right unless told otherwise.
type statelessMCP struct {
	sessions bool   // it speaks 2025-11-25 too
	get      int    // the status for GET, where not 405
	remove   int    // and that for DELETE
	listen   string // the type of the answer to subscriptions/listen, where no stream

	mu    sync.Mutex // guards wrong
	wrong []string   // methods of requests that the revision does not allow
}

func (s *statelessMCP) answer(w http.ResponseWriter, r *http.Request) bool {
	status := func(chosen int) {
		if chosen == 0 {
			chosen = http.StatusMethodNotAllowed
		}
		w.WriteHeader(chosen)
	}
	if r.Method != http.MethodPost {
		switch r.Method {
		case http.MethodGet:
			if s.get == http.StatusOK {
				w.Header().Set("Content-Type", "text/event-stream")
			}
			status(s.get)
			if s.get == http.StatusOK {
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		case http.MethodDelete:
			status(s.remove)
		default:
			status(0)
		}
		return true
	}
	var message struct {
		ID     int
		Method string
		Params struct {
			Meta map[string]any `json:"_meta"`
		}
	}
	json.NewDecoder(r.Body).Decode(&message)
	reply := func(code int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%d,%s}`, message.ID, text)
	}
	if message.Method == "initialize" && s.sessions {
		reply(http.StatusOK, `"result":{"protocolVersion":"2025-11-25","capabilities":{}}`)
		return true
	}
	version := r.Header.Get("Mcp-Protocol-Version")
	if version != "2026-07-28" {
		reply(http.StatusBadRequest, `"error":{"code":-32022,"message":"unsupported","data":{"supported":["2026-07-28"]}}`)
		return true
	}
	if message.Params.Meta["io.modelcontextprotocol/protocolVersion"] != version || message.Params.Meta["io.modelcontextprotocol/clientInfo"] == nil || r.Header.Get("Mcp-Method") != message.Method {
		s.mu.Lock()
		s.wrong = append(s.wrong, message.Method)
		s.mu.Unlock()
		reply(http.StatusBadRequest, `"error":{"code":-32020,"message":"header mismatch"}`)
		return true
	}
	switch message.Method {
	case "server/discover":
		reply(http.StatusOK, `"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}}}`)
	case "subscriptions/listen":
		if s.listen != "" {
			reply(http.StatusOK, `"result":{}`)
			return true
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%d},"notifications":{"toolsListChanged":true}}}`+"\n\n", message.ID)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		reply(http.StatusNotFound, `"error":{"code":-32601,"message":"Method not found"}`)
	}
	return true
}

// TestRevisionsOfMCP has servers of one revision or both, and wrong ones. The probe
// is not told which it meets.
func TestRevisionsOfMCP(t *testing.T) {
	for name, test := range map[string]struct {
		server *statelessMCP
		want   map[string]check.Status
	}{
		"2026-07-28":               {&statelessMCP{}, good("mcp-get mcp-post mcp-listen connect-status")},
		"both":                     {&statelessMCP{sessions: true}, good("mcp-get mcp-post mcp-listen connect-status")},
		"both, with a GET stream":  {&statelessMCP{sessions: true, get: http.StatusOK}, good("mcp-get mcp-post mcp-listen")},
		"2026-07-28, GET stream":   {&statelessMCP{get: http.StatusOK}, bad(check.Warn, "mcp-get")},
		"2026-07-28, GET fails":    {&statelessMCP{get: http.StatusInternalServerError}, bad(check.Fail, "mcp-get")},
		"2026-07-28, DELETE is OK": {&statelessMCP{remove: http.StatusOK}, map[string]check.Status{"mcp-get": check.Warn, "mcp-listen": check.Pass}},
		"2026-07-28, no stream":    {&statelessMCP{listen: "json"}, bad(check.Fail, "mcp-listen")},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := observed(t, (&fake{instead: test.server.answer}).serve(t).URL, func(r *run) {
				r.Profile = ProfileMCP
				// Those of a message of the user's own are not those of the probe's.
				r.Request.Header.Set("Mcp-Method", "tools/call")
				r.Request.Header.Set("Mcp-Name", "x")
			})
			for id, want := range test.want {
				if f := check.Lookup(id).Run(o); f.Status != want {
					t.Errorf("%s: %s is %s: %s; %s; want %s", name, id, f.Status, f.Title, f.Seen, want)
				}
			}
			test.server.mu.Lock()
			defer test.server.mu.Unlock()
			if len(test.server.wrong) > 0 {
				t.Errorf("%s: the probe sent wrong headers or metadata: %v", name, test.server.wrong)
			}
		})
	}
}
