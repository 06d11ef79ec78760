package redact

import (
	"strings"
	"testing"
)

func TestMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{"password":["X",{"a":"Y"}],"b":"c"}`: `{"password":["#",{"a":"#"}],"b":"c"}`,
		`{"api_key":{"value":"X"},"b":["c"]}`:  `{"api_key":{"value":"#"},"b":["c"]}`,
		"{\"password\"\t:\n\"X\"}":             "{\"password\"\t:\n\"#\"}",
		`{"\u0070assword":-12.5e3,"n":1}`:      `{"\u0070assword":#,"n":1}`,
		`{"auth":"X","pin":"12","token":12}`:   `{"auth":"#","pin":"#","token":12}`,
		`{"properties":{"password":{"type":"string","description":"it","default":"X"}},"max_tokens":5}`: `{"properties":{"password":{"type":"string","description":"it","default":"#"}},"max_tokens":5}`,
		`{"password":"X`:                  `{"password":"#`,
		`{"password":"","secret":"a\"b"}`: `{"password":"","secret":"#"}`,
		`}]{"a":"password"}`:              `}]{"a":"password"}`,
	} {
		if got := strings.ReplaceAll(Replace(text, Members(text, true)), Placeholder, "#"); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

func TestParts(t *testing.T) {
	text := "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nX\r\ny\r\n--b\r\ncontent-disposition: form-data; name=file; filename=\"pass.txt\"\r\n\r\nplain\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"payload\"\r\nContent-Type: application/json\r\n\r\n{\"api_key\":\"X\"}\r\n--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nX"
	want := strings.ReplaceAll(strings.Replace(text, "X\r\ny", "#", 1), "X", "#")
	if got := strings.ReplaceAll(Replace(text, Parts(text)), Placeholder, "#"); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	for _, text := range []string{"", "--", "--\n", "--b\n", "--b\n--b", "-- a comment\nselect 1"} {
		if spans := Parts(text); len(spans) > 0 {
			t.Errorf("%q has %v", text, spans)
		}
	}
}

func TestSemicolons(t *testing.T) {
	for query, want := range map[string]string{
		"a=1;token=hunter2hunter2;b=2&c=3": "a=1;token=REDACTED&c=3",
		"password=abc;defghi&q=x;y":        "password=REDACTED&q=x;y",
		"a;b;token=hunter2hunter2":         "a;b;token=REDACTED",
		";;&a=;":                           ";;&a=;",
	} {
		var s Secrets
		if got := s.Query(query); got != want {
			t.Errorf("%s became %s, want %s", query, got, want)
		}
		if strings.Contains(query, "hunter2") && s.Clean("hunter2hunter2") != Placeholder {
			t.Errorf("%s: the value is not remembered", query)
		}
	}
}

func TestResponseLinks(t *testing.T) {
	for _, test := range [][3]string{
		{"Refresh", "0; url=/?token=X", "0; url=/?token=REDACTED"},
		{"Refresh", "5", "5"},
		{"Link", "</x?token=X>; rel=next, </style.css>; rel=preload", "</x?token=REDACTED>; rel=next, </style.css>; rel=preload"},
		{"Link", "<https://u:p@api.test/>; rel=next", "<https://api.test/>; rel=next"},
	} {
		if got := ResponseHeader(test[0], test[1]); got != test[2] {
			t.Errorf("%s: %s became %s, want %s", test[0], test[1], got, test[2])
		}
	}
}
