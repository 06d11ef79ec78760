package redact

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// keys are of the well-known forms; none was ever valid.
var keys = []string{
	"sk-proj-Ab3dEf6hIj9kLm2nOp5q", "sk-ant-api03-Xy7zAb3dEf6hIj9kLm2n", "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
	"ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "xoxb-123456789012-abcdefABCDEF", "AKIAIOSFODNN7EXAMPLE",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
	"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1c7+9z5Pad7OejecsQ0b\nu8aNAgMBAAE=\n-----END RSA PRIVATE KEY-----",
	`-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA1c7+9z5Pad7OejecsQ0b\nu8aNAgMBAAE=\n-----END PRIVATE KEY-----`,
}

func TestCleanForms(t *testing.T) {
	var s Secrets
	for _, key := range keys {
		for _, around := range [][2]string{{"", ""}, {"key: ", " and more"}, {`"`, `"`}, {"x=", "&y=1"}, {"see ", ", then (b)"}} {
			in := around[0] + key + around[1]
			got := s.Clean(in)
			if want := around[0] + Placeholder + around[1]; got != want {
				t.Errorf("%q became %q, want %q", in, got, want)
			}
			if again := s.Clean(got); again != got {
				t.Errorf("%q became %q when cleaned again", got, again)
			}
		}
	}
	if got := s.Clean("postgres://u:hunter2@db/x and http://h:80/ and a://b:c"); got != "postgres://"+Placeholder+"@db/x and http://h:80/ and a://b:c" {
		t.Errorf("user information: %q", got)
	}
}

func TestCleanLeavesText(t *testing.T) {
	var s Secrets
	for _, text := range []string{
		"", "s", "sk-", "the task-management-of-something-else-entirely", "sk-management-of-something-else-entirely", "risk-ABCDEFGHIJKLMNOPQRSTUVWXYZ0123",
		"eyJ is how JSON begins in base64", "AKIA is a prefix", "-----BEGIN CERTIFICATE-----\nMIIEow\n-----END CERTIFICATE-----",
		"https://example.com:8080/a@b", "mailto:a@b", "-----BEGIN the end-----", "a ghp_ and a xoxb-",
	} {
		if got := s.Clean(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestCleanKnown(t *testing.T) {
	var s Secrets
	for _, value := range []string{"hunter2-hunter2", "hunter2-", "a b&c\"d/e", "sk-short1", "eyJhbGci", "short"} {
		s.Add(value)
	}
	for in, want := range map[string]string{
		"xhunter2-hunter2x":   "xREDACTEDx",
		"hunter2-hunter":      "REDACTED", // a piece of one at the end
		"hunter2-hunte.":      "REDACTEDhunte.",
		"sk-short1":           "REDACTED",
		"is sk-short1 it":     "is REDACTED it",
		"eyJhbGci":            "REDACTED",
		"a+b%26c%22d%2Fe":     "REDACTED",
		`{"x":"a b\u0026c\"d`: `{"x":"REDACTED`, // a piece
		"short":               "short",
		"hunter":              "REDACTED",
		"hunte":               "hunte",
	} {
		if got := s.Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Wherever a text is cut into pieces, the secrets in it are the same.
func TestScanPieces(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var s Secrets
	s.Add("correct-horse-battery")
	s.Add("correct-horse")
	all := append([]string{"correct-horse-battery", "correct-horse"}, keys...)
	words := []string{" and ", "sk-", " x", "correct", ", e", "s", "://", " - ", "\n", "the risk ", "eyJ "}
	for range 3000 {
		var text, want strings.Builder
		for range 1 + random.IntN(4) {
			word := words[random.IntN(len(words))]
			text.WriteString(word + "; ")
			want.WriteString(word + "; ")
			if random.IntN(2) == 0 {
				text.WriteString(all[random.IntN(len(all))] + "; ")
				want.WriteString(Placeholder + "; ")
			}
		}
		var run Run
		var got strings.Builder
		rest := text.String()
		held := ""
		for len(rest) > 0 {
			n := 1 + random.IntN(min(len(rest), 12))
			piece := rest[:n]
			rest = rest[n:]
			spans := s.Scan(&run, piece)
			whole := held + piece
			for i := range spans {
				spans[i].From += len(held)
				spans[i].To += len(held)
			}
			done := len(whole) - run.Pending()
			got.WriteString(Replace(whole[:done], spans))
			held = whole[done:]
		}
		got.WriteString(Replace(held, s.Finish(&run, len(held))))
		if got.String() != want.String() {
			t.Fatalf("%q\nbecame %q\nwant   %q", text.String(), got.String(), want.String())
		}
	}
}

// Texts full of beginnings of secrets take a time that grows as their length does.
func TestCleanHostile(t *testing.T) {
	var s Secrets
	s.Add(strings.Repeat("a", 5000) + "b")
	for _, unit := range []string{"sk-", "-eyJ", ".eyJ", "eyJ.", "-----BEGIN ", "://a:", "ghp_", " sk-a", "://", "xoxb-"} {
		text := strings.Repeat(unit, 2<<20/len(unit))
		s.Clean(text) // hangs if it is not so
	}
}
