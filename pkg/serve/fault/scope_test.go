package fault_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

func TestParseScope(t *testing.T) {
	for text, want := range map[string]fault.Scope{
		"drop@5:POST /v1/chat":        {Method: "POST", Path: "/v1/chat"},
		"drop@5:/v1/*":                {Path: "/v1/*"},
		"drop@5:#1":                   {First: 1, Last: 1},
		"status=503: #2-3  PUT":       {Method: "PUT", First: 2, Last: 3},
		"status=503@2:10%":            {Share: 0.1},
		"garble:0.5% /x #1-9 DELETE":  {Method: "DELETE", Path: "/x", First: 1, Last: 9, Share: 0.005},
		"type=text/plain:GET":         {Method: "GET"},
		"stall@5=30s:100%":            {Share: 1},
		"no-resume:/a:b":              {Path: "/a:b"},
		"drop@5":                      {},
		"drop@5:first":                {Attempt: fault.FirstAttempt},
		"status=429:again #1 POST":    {Method: "POST", Attempt: fault.NextAttempt, First: 1, Last: 1},
		"delay=1s:M-SEARCH /x{name}y": {Method: "M-SEARCH", Path: "/x{name}y"},
	} {
		f, err := fault.Parse(text)
		if err != nil || f.For != want {
			t.Errorf("%q: %+v, %v; want %+v", text, f.For, err, want)
		}
	}
	for text, want := range map[string]string{
		"drop@5:":            "want a scope",
		"drop@5: ":           "want a scope",
		"drop@5:post /x":     `"post" is no method`,
		"drop@5:v1/chat":     `"v1/chat" is no method`,
		"drop@5:#0":          "number from 1 on",
		"drop@5:#3-2":        "range as 1-2, after #",
		"drop@5:#":           "after #",
		"drop@5:0%":          "share above 0%",
		"drop@5:101%":        "share above 0%",
		"drop@5:NaN%":        "share above 0%",
		"drop@5:-1%":         "share above 0%",
		"drop@5:%":           "share above 0%",
		"drop@5:GET PUT":     `"PUT" is the second`,
		"drop@5:first again": `"again" is the second`,
		"drop@5:/a /b":       `"/b" is the second`,
		"drop@5:#1 #2":       `"#2" is the second`,
		"drop@5:1% 2%":       `"2%" is the second`,
		"drop:POST /v1/chat": "an event number",
		"dorp@5:POST":        "no such kind",
	} {
		if _, err := fault.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
	for _, bad := range []fault.Scope{{First: -1}, {Last: 2}, {First: 3, Last: 2}, {Share: 1.5}, {Share: -1}, {Path: "x"}, {Attempt: "last"}} {
		f := fault.Fault{Kind: "garble", For: bad}
		if err := f.Validate(); err == nil {
			t.Errorf("%+v is taken for valid", bad)
		}
	}
}

// set returns a set of faults.
func set(t *testing.T, seed uint64, texts ...string) *fault.Set {
	t.Helper()
	var faults []fault.Fault
	for _, text := range texts {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	return fault.NewSet(faults, false, seed)
}

// TestSetCounts has requests of three routes. A fault counts those of its own.
func TestSetCounts(t *testing.T) {
	s := set(t, 1, "status=500:POST /a #2", "status=501@2", "delay=1s:GET", "no-resume:/b/* #1-2", "drop@5:#3")
	for i, test := range []struct {
		request string
		status  int
		want    string
	}{
		{"POST /a", 0, ""},
		{"GET /a", 501, "delay "},
		{"POST /a", 500, "cuts "},
		{"GET /b/x", 0, "delay no-resume "},
		{"PUT /b", 0, ""},
		{"PUT /b/y", 0, "no-resume "},
		{"PUT /b/y", 0, ""},
	} {
		method, path, _ := strings.Cut(test.request, " ")
		p := s.Of(httptest.NewRequest(method, path, nil))
		got := ""
		if p.Delay > 0 {
			got += "delay "
		}
		if p.NoResume {
			got += "no-resume "
		}
		if p.Cuts() {
			got += "cuts "
		}
		if got != test.want || p.Status != test.status {
			t.Errorf("%d: %s: status %d, %q; want %d, %q", i+1, test.request, p.Status, got, test.status, test.want)
		}
	}
}

// TestSetShares wants about the share, and the same requests for the same seed.
func TestSetShares(t *testing.T) {
	chosen := func(seed uint64) (which string, n int) {
		s := set(t, seed, "drop@5:30%", "garble:/never")
		r := httptest.NewRequest("GET", "/", nil)
		for range 1000 {
			c := "-"
			if s.Of(r).Cuts() {
				c = "+"
				n++
			}
			which += c
		}
		return which, n
	}
	a, n := chosen(1)
	again, _ := chosen(1)
	other, _ := chosen(2)
	if n < 200 || n > 400 || a != again || a == other {
		t.Errorf("%d of 1000 were chosen for 30%%; the same again: %v; another seed chooses the same: %v", n, a == again, a == other)
	}
}
