package query

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/itchyny/gojq"

	"github.com/ssectl/ssectl/pkg/stream"
)

// referenceParse is encoding/json with exact numbers.
func referenceParse(data string) any {
	decoder := json.NewDecoder(strings.NewReader(data))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil // More would take a stray bracket after the value for an end
	}
	return value
}

// referenceInput has all of an event.
func referenceInput(b *stream.Block, at time.Time) map[string]any {
	event := b.Event()
	input := map[string]any{
		"event": event.Type,
		"data":  event.Data,
		"json":  referenceParse(event.Data),
		"time":  at.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	if event.HasID {
		input["id"] = event.ID
	}
	if event.HasRetry {
		input["retry"] = int(event.Retry.Milliseconds())
	}
	return input
}

// maxResults bounds the results of a generated expression that are compared.
const maxResults = 50

// referenceAnswers has gojq answer on all of an event. An error is the last line.
func referenceAnswers(q *Query, input map[string]any) (lines string, match bool) {
	results := q.code.Run(input)
	for i := range maxResults {
		result, ok := results.Next()
		if err, failed := result.(error); ok && failed {
			return lines + "error: " + q.problem(err).Error() + "\n", match
		}
		if !ok {
			break
		}
		if i == 0 {
			match = result != nil && result != false
		}
		if text, isText := result.(string); isText {
			lines += text + "\n"
			continue
		}
		text, _ := gojq.Marshal(result)
		lines += string(text) + "\n"
	}
	return lines, match
}

var errEnough = fmt.Errorf("enough")

func answers(q *Question) (lines string, match bool, matchErr error) {
	count := 0
	got, err := q.Append(context.Background(), nil, func(dst, text []byte) ([]byte, error) {
		dst = append(append(dst, text...), '\n')
		if count++; count == maxResults {
			return dst, errEnough
		}
		return dst, nil
	})
	if err != nil && err != errEnough {
		got = append(append(append(got, "error: "...), err.Error()...), '\n')
	}
	match, matchErr = q.Match(context.Background())
	return string(got), match, matchErr
}

// checkAnswers asks all expressions about all events with one input, and compares.
// It returns how many answers were simple.
func checkAnswers(t *testing.T, events []string, expressions []string) (simple int) {
	t.Helper()
	var in Input
	var questions []*Question
	for _, expression := range expressions {
		q, err := in.Compile(expression)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		questions = append(questions, q)
	}
	decoder := stream.NewDecoder(strings.NewReader(strings.Join(events, "")))
	for b, err := range decoder.Blocks() {
		if err != nil || !b.IsEvent() {
			continue
		}
		in.Set(b, at)
		whole := referenceInput(b, at)
		for _, q := range questions {
			if _, ok := q.answer(); ok {
				simple++
			}
			got, match, matchErr := answers(q)
			want, wantMatch := referenceAnswers(&q.Query, whole)
			if got != want || matchErr == nil && match != wantMatch {
				t.Fatalf("%s of %q:\ngot  %q, match %v\nwant %q, match %v", q, b.Raw(), got, match, want, wantMatch)
			}
			if (matchErr != nil) != strings.HasPrefix(want, "error: ") {
				t.Fatalf("%s of %q: match error %v, want %q", q, b.Raw(), matchErr, want)
			}
		}
		if got := in.Object(); !reflect.DeepEqual(got, whole) {
			t.Fatalf("%q: got %v, want %v", b.Raw(), got, whole)
		}
		if in.IsJSON() != (whole["json"] != nil) {
			t.Fatalf("%q: JSON %v", b.Raw(), in.IsJSON())
		}
	}
	return simple
}

// A generator makes expressions and events that fit each other.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 1))} }

func (g generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) path() string {
	path := g.one(".json", ".json", ".json", ".json", ".json", ".data", ".event", ".id", ".time", ".retry", ".none", `."json"`, `.["json"]`, ".json?", "")
	for range g.IntN(3) {
		path += g.one(".a", ".a", ".b", ".b", `."c d"`, `["a"]`, "[0]", "[1]", "[2]", `."é"`, `["a\tb"]`)
		if g.IntN(4) == 0 {
			path += "?"
		}
	}
	switch {
	case path == "" || path[0] == '[':
		return "." + path
	case g.IntN(12) == 0:
		path += g.one("[-1]", "[1.5]", "[1:2]", "??", "[]?", "[1000000]", "[.json]", "[.a]")
	}
	return path
}

func (g generator) number() string {
	return g.one("0", "-0", "1", "-1", "2", "100", "1.0", "1.5", "-1.5", "1e2", "1E+2", "1e-2", "0.1", "100000000000000000", "999999999999999999", "1000000000000000000",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "12345678901234567890123", "1e400", "-1e400", "1e-400", "0.30000000000000004", "9007199254740993", "9007199254740992.0")
}

func (g generator) literal() string {
	if g.IntN(3) == 0 {
		return g.number()
	}
	return g.one("null", "true", "false", `""`, `"x"`, `"a"`, `"tide"`, `"a\nb"`, `"é"`, `"\u0000"`, `"2026"`, `"message"`, `"7"`)
}

// expression returns a simple expression, mostly.
func (g generator) expression(depth int) string {
	if depth == 0 {
		if g.IntN(4) == 0 {
			return g.literal()
		}
		return g.path()
	}
	sub := func() string { return g.expression(depth - 1) }
	switch g.IntN(16) {
	case 0:
		return g.literal()
	case 1, 2:
		return "(" + sub() + ") " + g.one("==", "!=", "<", "<=", ">", ">=") + " (" + sub() + ")"
	case 3, 4:
		return g.path() + " " + g.one("==", "!=", "<", "<=", ">", ">=") + " " + g.one(g.literal(), g.number(), g.path())
	case 5:
		return "(" + sub() + ") " + g.one("and", "or") + " (" + sub() + ")"
	case 6, 7:
		return "(" + sub() + ") // " + g.one(g.literal(), g.path(), "empty", "("+sub()+")")
	case 8:
		return "select(" + sub() + ") | " + sub()
	case 9:
		return g.path() + " | " + g.one("not", "select("+sub()+")", `test("`+g.one("a", "^t.d", "é", "[0-9]+", "", "(?i)X", `\\d`)+`")`, "IN("+g.literal()+", "+g.literal()+")", sub())
	case 10:
		return "(" + sub() + ") | " + g.one("not", `IN("a", 1)`, `test("a")`, `select(. == "a")`, ".", "empty", sub())
	case 11:
		return "(" + sub() + ")?"
	case 12:
		return g.other(depth)
	}
	return g.path()
}

// other returns an expression that gojq answers.
func (g generator) other(depth int) string {
	sub := func() string { return "(" + g.expression(depth-1) + ")" }
	switch g.IntN(14) {
	case 0:
		return "[" + sub() + "]"
	case 1:
		return "{a: " + sub() + ", " + g.one("event", "id", "json", "data", `"time"`, "retry", `"x\(.event)"`, "(.event): 1") + "}"
	case 2:
		return `"\(` + sub() + `)-\(` + sub() + `)"`
	case 3:
		return "if " + sub() + " then " + sub() + g.one("", " else "+sub()) + " end"
	case 4:
		return sub() + ", " + sub()
	case 5:
		return sub() + " | " + g.one("length", "type", "keys", `has("a")`, "tojson", "tostring", "error", "add", "first", "ascii_downcase", "..", ".[]?", "objects", "@json", `@text "\(.)"`)
	case 6:
		return sub() + " as $x | " + g.one("$x", "[$x, .event]", "$x.a?")
	case 7:
		return sub() + g.one(" + ", " - ", " * ") + sub()
	case 8:
		return "try " + sub() + g.one("", " catch .", " catch length")
	case 9:
		return "def f: " + sub() + "; f"
	case 10:
		return g.one("reduce .json[]? as $x (0; . + 1)", "[limit(2; .json[]?)]", "any(.json[]?; .)", "label $out | .json, break $out", "with_entries(.value |= tostring)", "to_entries | length", "del(.time)", "paths", "-(.json)", ".json |= 1", "path(.json.a)", ".event = 1")
	case 11:
		return "(" + g.path() + ")" + g.one(".a", "[0]", "[.json.b]?", ".event")
	case 12:
		return g.path() + "[" + sub() + "]"
	}
	return "first(" + sub() + ", .event)"
}

func (g generator) space() string {
	if g.IntN(5) > 0 {
		return ""
	}
	return g.one(" ", "\t", "  ", "\n")
}

func (g generator) text() string {
	return g.one(`"a"`, `"b"`, `"c d"`, `"é"`, `"\u00e9"`, `"\u0061"`, `"a\tb"`, `"x"`, `"tide"`, `""`, `"a\nb"`, `"\ud83c\udf0a"`, `"\ud800"`, `"\ud800\u0041"`, `"\"\\\/\b\f\n\r"`, `"\u0000"`,
		`"the tide comes in over grey sand"`, `"`+strings.Repeat("long ", g.IntN(20))+`\n end"`, "\"\xff\"", "\"a\xe2\x82\"", "\"\u0085\"", `"2026"`)
}

func (g generator) json(depth int) string {
	switch kind := g.IntN(10); {
	case depth > 0 && kind < 5:
		var members []string
		for range g.IntN(5) {
			key := g.text()
			if g.IntN(2) == 0 {
				key = g.one(`"a"`, `"b"`)
			}
			members = append(members, g.space()+key+g.space()+":"+g.space()+g.json(depth-1)+g.space())
		}
		return "{" + strings.Join(members, ",") + g.space() + "}"
	case depth > 0 && kind < 7:
		var elements []string
		for range g.IntN(4) {
			elements = append(elements, g.space()+g.json(depth-1)+g.space())
		}
		return "[" + strings.Join(elements, ",") + g.space() + "]"
	case kind < 8:
		return g.number()
	case kind < 9:
		return g.text()
	}
	return g.one("null", "true", "false")
}

// data returns JSON, or nearly.
func (g generator) data() string {
	data := []byte(g.space() + g.json(g.IntN(4)) + g.space())
	if g.IntN(6) == 0 && len(data) > 0 {
		at := g.IntN(len(data))
		switch g.IntN(3) {
		case 0:
			data = append(data[:at:at], data[at+1:]...)
		case 1:
			data[at] = "{}[]\",:\\0e.-+tx \x01\xff"[g.IntN(17)]
		case 2:
			data = append(data[:at:at], append([]byte(g.one("1", ",", "\"", "]", "e", "\\u12")), data[at:]...)...)
		}
	}
	return string(data)
}

func (g generator) event(data string) string {
	data = strings.NewReplacer("\r\n", "\ndata: ", "\n", "\ndata: ", "\r", "\ndata: ").Replace(data)
	return g.one("", "event: tick\n", "event\n", "event: \xff\n", "retry: 5\n") + g.one("", "id: 7\n", "id\n", "id: é\xfe\n") + "data: " + data + "\n\n"
}

// TestAnswers compares generated expressions on generated events with gojq.
func TestAnswers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	g := newGenerator(seed)
	simple, all := 0, 0
	defer func() { t.Logf("seed %d: %d of %d answers without gojq", seed, simple, all) }()
	for range 3000 {
		expressions := []string{g.expression(g.IntN(4)), g.expression(g.IntN(3))}
		events := []string{g.event(g.data()), g.event(g.data()), g.event(g.data())}
		simple += checkAnswers(t, events, expressions)
		all += 6
	}
	if simple < all/3 {
		t.Errorf("%d of %d answers without gojq, want a third of them", simple, all)
	}
}

// TestSimpleAnswers has what generated expressions may miss.
func TestSimpleAnswers(t *testing.T) {
	var events []string
	for _, data := range []string{
		`{"a":{"b":1},"a":{}}`, `{"a":{"b":1},"a":2}`, `{"a":{"b":1},"a":{"b":2}}`, `{"a":{"b":1,"b":null}}`, `{"\u0061":{"b":3}}`, `{"a":[{"b":1},2],"a":[]}`,
		`{"a":"text"}`, `{"a":[1,2]}`, `{"a":null}`, `{"a":false}`, `{"a":true}`, `{"a":101}`, `{"a":100}`, `{"a":[]}`, `"text"`, `[{"b":"x"}]`, `null`, `5`, ``, `not JSON`, `{"a":1}}`, "{\"a\":\"\xff\"}",
	} {
		events = append(events, "data: "+data+"\n\n")
	}
	for _, expression := range []string{
		".json.a.b", ".json.a.b?", ".json.a?.b", ".json.a?.b?", ".json?.a", "(.json.a.b)?", ".json.a[0].b", ".json.a[0]?", ".json.a[1]", ".json[0].b", ".json.a[-1]", ".json.a.b.c?", ".data.a?", ".event[0]",
		".json.a > 100", ".json.a == null", ".json.a != .json.a.b?", ".json.a // empty", ".json.a.b? // .data", "(.json.a.b // 1) == 1", ".json.a and .json.a.b", ".json.a or .json.a.b", ".json.a | not",
		`select(.json.a == 100) | .data`, `select(.json.a?)`, `.json.a? | select(. == 100)`, `.json.a? | test("t.x")`, `(.json.a? | test("t.x"))?`, `.json.a? | IN(100, "text", null)`, `(.json.a? // .event) | IN("message", 101)`,
		"empty == (1 | .a)", "(1 | .a) == empty", "(.json.a.b)? // 7", ".json.a? | .b?", ".json | .a? | .b?", ".", ".json", "select(.json.a == 100)", "select(.json.a?) | .json.a.b?",
	} {
		checkAnswers(t, events, []string{expression, ".json.a?"})
	}
}

// TestCompare compares the order of all pairs of values with that of gojq.
func TestCompare(t *testing.T) {
	var values []value
	for _, text := range []string{
		"null", "false", "true", "0", "-0", "1", "-1", "2", "10", "100", "1.0", "1.5", "-1.5", "1e2", "1E+2", "1e-2", "0.0", "-0.0", "0.1", "999999999999999999", "1000000000000000000",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "12345678901234567890123", "1e400", "-1e400", "1e-400", "9007199254740993", "9007199254740992.0",
		`""`, `"a"`, `"b"`, `"ab"`, `"\u0061"`, `"é"`, `"\ud800"`, `"\n"`, "[]", "[1]", "[1.0]", "[2]", "{}", `{"a":1}`, `{"a":1,"a":2}`,
	} {
		var m member
		if !scan([]byte(text), &m) {
			t.Fatal(text)
		}
		values = append(values, m.value)
		if m.kind != number {
			continue
		}
		q, err := gojq.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, *literal(q))
	}
	for _, a := range values {
		for _, b := range values {
			if got, want := compare(a, b), gojq.Compare(a.decoded(), b.decoded()); got != want {
				t.Errorf("%s (%v) and %s (%v): %d, want %d", a.text, a.literal, b.text, b.literal, got, want)
			}
		}
	}
}

// FuzzAnswers is TestAnswers with data that the fuzzer makes.
func FuzzAnswers(f *testing.F) {
	for seed, data := range []string{"", `{"a":[1,{"b":null}],"a":"x"}`, `[1e400,-0,12345678901234567890]`, `{"c d":{"a\tb":"\ud83c\udf0a"}}`, `{"a":1}}`, "nul", `"\u12"`} {
		f.Add(uint64(seed), data)
	}
	f.Fuzz(func(t *testing.T, seed uint64, data string) {
		g := newGenerator(seed)
		expressions := []string{g.expression(g.IntN(4)), g.expression(g.IntN(3))}
		checkAnswers(t, []string{g.event(data), g.event(g.data())}, expressions)
	})
}

// FuzzParse compares the parser with encoding/json.
func FuzzParse(f *testing.F) {
	for _, data := range []string{``, ` {"a":[1,-0.5e+3,"\u00e9\ud800x"],"a":{}} `, `{"a":1}}`, `[1,]`, `{,}`, `01`, `1.`, `-`, `"\x"`, "\"\x01\"", "\"\xff\"", `nullx`, `tru`,
		strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat(`{"":`, 10001)} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		valid := string(stream.AppendValid(nil, []byte(data)))
		got, want := Parse([]byte(data)), referenceParse(valid)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, want %#v", data, got, want)
		}
		if got := scan([]byte(valid), &member{}); got != json.Valid([]byte(valid)) {
			t.Fatalf("%q: valid %v", data, got)
		}
	})
}
