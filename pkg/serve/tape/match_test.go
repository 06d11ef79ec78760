package tape

import "testing"

func TestEqualNumbers(t *testing.T) {
	for _, equal := range [][]string{
		{"0", "-0", "0.0", "0e5", "-0.00E-7"},
		{"1", "1.0", "1e0", "10e-1", "0.01E+2"},
		{"-1500", "-1.5e3", "-15e2", "-1500.000"},
		{"100000000000000000000", "1e20", "1E+20"},
		{"9007199254740993", "9007199254740993.0", "90071992547409930e-1"},
		{"9007199254740992", "9007199254740992.0"},
		{"0.1", "1e-1", "0.10"},
		{"1e400", "10e399"},
		{"1e-400", "0.1e-399"},
		{"1e1000000000", "10e999999999"},
		{"12345678901234567890123456789012345", "12345678901234567890123456789.012345e6"},
		{"1e99999999999999999999"},
		{"true"}, {"null"},
	} {
		for _, text := range equal {
			if got := number(text); got != number(equal[0]) {
				t.Errorf("%s is %s, %s is %s", text, got, equal[0], number(equal[0]))
			}
		}
	}
	for text, want := range map[string]string{"1": "1", "-1.50": "-1.5", "1e2": "100", "0.001": "0.001", "true": "true", "1e30": "1e30", "12e-30": "1.2e-29", "1e99999999999999999999": "1e99999999999999999999"} {
		if got := number(text); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	dir := write(t, map[string]string{"1.jsonl": `{"meta":{"request":{"json":{"n":100000000000000000000,"m":-0,"x":9007199254740993}},"response":{"body":"it"}}}`})
	_, base := play(t, dir, Options{})
	for body, want := range map[string]int{
		`{"n":1e20,"m":0,"x":9007199254740993.0}`:                     200,
		`{"n":100000000000000000001,"m":0,"x":9007199254740993}`:      501,
		`{"n":100000000000000000000,"m":0,"x":9007199254740992}`:      501,
		`{"n":100000000000000000000.0,"m":-0.0,"x":9007199254740993}`: 200,
	} {
		if response, text, _ := ask(t, base, call{method: "POST", target: "/", body: body}); response.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", body, response.StatusCode, text, want)
		}
	}
}
