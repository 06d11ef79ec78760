package fault_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

func TestParse(t *testing.T) {
	for _, kind := range fault.Kinds() {
		if _, err := fault.Parse(kind.Usage); err != nil {
			t.Errorf("the example of %s: %v", kind.Name, err)
		}
	}
	for text, want := range map[string]string{
		"":                  "want one of drop reset",
		"dorp@5":            "want one of drop reset",
		"drop":              "an event number",
		"drop@0":            "from 1 on",
		"drop@5-3":          "range",
		"drop@":             "text after it",
		"drop@5@6":          "at most one",
		"drop@5=3":          "no value",
		"stall@5":           "duration",
		"stall@5=-3s":       "duration",
		"stall=30s":         "an event number",
		"status=99":         "status from",
		"buffer=0":          "size from",
		"buffer=16q":        "size from",
		"buffer=99999999g":  "size from",
		"eol=lfcr":          "cr, lf or crlf",
		"chunk@3=1":         "no @N",
		"type=a\r\nX-Y: b":  "content type",
		"split-utf8=yes":    "no value",
		"big@3=99999999999": "size from",
	} {
		if _, err := fault.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, kind := range fault.Kinds() {
		f.Add(kind.Usage)
		f.Add(kind.Usage + ":POST /v1/{name} #1-2 10%")
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := fault.Parse(text)
		if err == nil && got.Validate() != nil {
			t.Errorf("%q is taken for %+v: %v", text, got, got.Validate())
		}
		if err == nil {
			fault.NewSet([]fault.Fault{got}, true, 1).Of(httptest.NewRequest("POST", "/v1/x", nil))
			if same, err := fault.Parse(got.String()); err != nil || same != got {
				t.Errorf("%q is %+v, and its text %q is %+v, %v", text, got, got.String(), same, err)
			}
		}
		if err == nil && (got.First < 0 || got.Last < got.First || got.Size < 0 || got.Duration < 0) {
			t.Errorf("%q is taken for %+v", text, got)
		}
	})
}

func TestCheck(t *testing.T) {
	for text, happens := range map[string]bool{"drop@3": true, "drop@4": false, "big@9=1k": false, "status=503@9": true, "garble": true} {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(3); (err == nil) != happens {
			t.Errorf("%s of 3 events: %v", text, err)
		}
	}
}

// TestValidate has values that Go code can write and Parse would not return.
func TestValidate(t *testing.T) {
	for _, test := range []struct {
		fault fault.Fault
		want  string // in the error
	}{
		{fault.Fault{Kind: "drop", First: 1}, ""},
		{fault.Fault{Kind: "drop", First: 1, Last: 3}, ""},
		{fault.Fault{Kind: "garble"}, ""},
		{fault.Fault{Kind: "eol", Text: "\r"}, ""},
		{fault.Fault{}, "no such kind"},
		{fault.Fault{Kind: "drp", First: 1}, "no such kind"},
		{fault.Fault{Kind: "stall", First: 1}, "want a duration"},
		{fault.Fault{Kind: "delay"}, "want a duration"},
		{fault.Fault{Kind: "delay", First: 2, Duration: 1}, "not for single events"},
		{fault.Fault{Kind: "status", Size: 42}, "want a status"},
		{fault.Fault{Kind: "type"}, "want a content type"},
		{fault.Fault{Kind: "eol", Text: "cr"}, "the line end itself"},
		{fault.Fault{Kind: "buffer"}, "want a size"},
		{fault.Fault{Kind: "drop", First: 3, Last: 2}, "First = 3 to Last = 2"},
		{fault.Fault{Kind: "drop", Last: 2}, "First = 0 to Last = 2"},
		{fault.Fault{Kind: "drop", First: -1}, "First = -1"},
	} {
		err := test.fault.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want %q", test.fault, err, test.want)
		}
	}
	for _, kind := range fault.Kinds() {
		f, err := fault.Parse(kind.Usage)
		if err == nil {
			err = f.Validate()
		}
		if err != nil {
			t.Errorf("%s: %v", kind.Usage, err)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		fault fault.Fault
		want  string // for events 1 to 4
	}{
		{fault.Fault{}, "++++"},
		{fault.Fault{First: 2}, "-+--"},
		{fault.Fault{First: 2, Last: 3}, "-++-"},
	} {
		got := ""
		for n := int64(1); n <= 4; n++ {
			if test.fault.Covers(n) {
				got += "+"
			} else {
				got += "-"
			}
		}
		if got != test.want {
			t.Errorf("%+v covers %s, want %s", test.fault, got, test.want)
		}
	}
}

// A number alone is a status.
func TestParseStatus(t *testing.T) {
	for short, long := range map[string]string{"429": "status=429", "429@1": "status=429@1", "503@1-2:POST /a": "status=503@1-2:POST /a"} {
		a, err := fault.Parse(short)
		b, _ := fault.Parse(long)
		if err != nil || a != b {
			t.Errorf("%s: %+v, %v, want %+v", short, a, err, b)
		}
	}
	for _, bad := range []string{"42", "4290", "999@1", "429x"} {
		if f, err := fault.Parse(bad); err == nil {
			t.Errorf("%s: %+v", bad, f)
		}
	}
}
