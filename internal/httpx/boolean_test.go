package httpx

import (
	"net/http"
	"testing"
)

func TestBoolean(t *testing.T) {
	for text, want := range map[string][2]bool{
		"?1": {true, true}, "?0": {false, true}, " ?1 ": {true, true}, `?1; reason="a \" b";n=1.5;t=a/b;d=@123;f`: {true, true},
		"": {}, "1": {}, "true": {}, "?2": {}, "?1 ?1": {}, "?1;": {}, "?1;A": {}, "?1;a=": {}, `?1;a="x`: {}, "?1;a=1234567890123456": {},
	} {
		value, ok := Boolean(http.Header{"Incremental": {text}}, "incremental")
		if got := [2]bool{value, ok}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if _, ok := Boolean(http.Header{"Incremental": {"?1", "?1"}}, "Incremental"); ok {
		t.Error("a header that came twice is one boolean")
	}
	if _, ok := Boolean(http.Header{}, "Incremental"); ok {
		t.Error("no header is a boolean")
	}
}
