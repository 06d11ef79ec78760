package check

import (
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/internal/seen"
	"github.com/ssectl/ssectl/pkg/diag/internal/seentest"
)

// FuzzChecks gives every check bodies that no server in its senses sends, in
// pieces of any size, as any of the streams. None may panic, and each has to
// come to an outcome and to say something.
func FuzzChecks(f *testing.F) {
	f.Add([]byte("id: 1\ndata: {\"t\":1763700000}\n\n: c\nretry: 1\r\n\r\n"), []byte{3, 200, 0, 9}, "")
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), []byte{1, 1}, "gzip")
	f.Add([]byte("\ufeffdata\r\rdata: [DONE]\n\nevent: message_start\ndata\n\n"), []byte{255, 1}, "br")
	f.Add([]byte("id: 7\ndata: a\n\nid: 8\ndata: b\n\nid: 9\ndata: c\n\nevent: ping\nid\ndata: {}\n\nid: 10\ndata: {\"method\":\"x\",\"params\":{\"_meta\":{}}}\n\n"), []byte{20, 20}, "")
	f.Fuzz(func(t *testing.T, body, cuts []byte, coding string) {
		o := &seen.Observation{URL: "http://127.0.0.1/", Time: time.Unix(1763700000, 0), Window: 12 * time.Second, Options: seen.Options{WebOrigin: "https://app.example.com"}}
		for i, role := range []seen.Role{seen.RoleMain, seen.RoleSecond, seen.RoleIdentity, seen.RoleResume1, seen.RoleResume2, seen.RoleNoID, seen.RoleLastID, seen.RoleRange, seen.RoleMCPPost, seen.RoleOrigin, seen.RoleDiscover, seen.RoleMCPListen, seen.RoleForeign, seen.RoleForeignNoID} {
			x := seentest.Recorded(role, i*700, []seen.End{seen.EndClient, seen.EndEOF, seen.EndReset, seen.EndTimeout}[i%4], 12000)
			x.Header.Set("Content-Encoding", coding)
			x.RequestHeader = map[string][]string{"Last-Event-ID": {"1"}, "Range": {"bytes=7-"}}
			at, rest := seentest.MS(i*700+1), body
			for _, cut := range cuts {
				n := min(len(rest), 1+int(cut))
				if n == 0 {
					break
				}
				at += time.Duration(cut) * 7 * time.Millisecond
				x.Reads = append(x.Reads, seen.Read{At: at, N: n})
				x.Body = append(x.Body, rest[:n]...)
				rest = rest[n:]
			}
			o.Exchanges = append(o.Exchanges, x)
		}
		for check := range All() {
			if found := check.Run(o); found.Status == "" || found.Title == "" {
				t.Errorf("%s: %+v", check.ID, found)
			}
		}
	})
}
