package stream_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		event stream.Event
		want  string
	}{
		{stream.Event{}, "data: \n\n"},
		{stream.Event{Data: "a"}, "data: a\n\n"},
		{stream.Event{Type: "message", Data: "a"}, "data: a\n\n"},
		{stream.Event{Type: "x", ID: "7", Retry: 1500 * time.Microsecond, Data: "a"}, "event: x\nid: 7\nretry: 1\ndata: a\n\n"},
		{stream.Event{HasID: true, HasRetry: true}, "id: \nretry: 0\ndata: \n\n"},
		{stream.Event{Retry: -time.Second}, "retry: 0\ndata: \n\n"},
		{stream.Event{Data: " a "}, "data:  a \n\n"},
		{stream.Event{Data: "a\nb"}, "data: a\ndata: b\n\n"},
		{stream.Event{Data: "a\r\nb\rc\n\rd"}, "data: a\ndata: b\ndata: c\ndata: \ndata: d\n\n"},
		{stream.Event{Data: "a\n"}, "data: a\ndata: \n\n"},
		{stream.Event{Data: "\n"}, "data: \ndata: \n\n"},
		{stream.Event{Data: "a\x00b"}, "data: a\x00b\n\n"},
	} {
		var out bytes.Buffer
		if err := stream.NewEncoder(&out).Encode(&c.event); err != nil || out.String() != c.want {
			t.Errorf("%+v:\n got %q, %v\nwant %q", c.event, &out, err, c.want)
		}
	}
}

func TestEncodeRefusesInjection(t *testing.T) {
	for _, c := range []struct {
		event stream.Event
		want  stream.FieldError
	}{
		{stream.Event{Type: "x\ndata: evil"}, stream.FieldError{Field: "event", Value: "x\ndata: evil", Char: '\n'}},
		{stream.Event{Type: "x\r"}, stream.FieldError{Field: "event", Value: "x\r", Char: '\r'}},
		{stream.Event{ID: "1\n\ndata: evil"}, stream.FieldError{Field: "id", Value: "1\n\ndata: evil", Char: '\n'}},
		{stream.Event{ID: "1\r2"}, stream.FieldError{Field: "id", Value: "1\r2", Char: '\r'}},
		{stream.Event{Type: "ok", ID: "\x00"}, stream.FieldError{Field: "id", Value: "\x00", Char: 0}},
	} {
		before := []byte("data: before\n\n")
		got, err := c.event.AppendText(before)
		var field *stream.FieldError
		if !errors.As(err, &field) || *field != c.want || !errors.Is(err, stream.ErrInjection) {
			t.Errorf("%+v: got %v", c.event, err)
		}
		if string(got) != "data: before\n\n" {
			t.Errorf("%+v: half written: %q", c.event, got)
		}
		var out countingWriter
		if err := stream.NewEncoder(&out).Encode(&c.event); err == nil || out.writes != 0 {
			t.Errorf("%+v: %d writes, %v", c.event, out.writes, err)
		}
	}
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func TestEncoderWritesOnce(t *testing.T) {
	var out countingWriter
	enc := stream.NewEncoder(&out)
	enc.Comment("hello\nworld\r\nagain")
	enc.Retry(2500 * time.Millisecond)
	enc.Encode(&stream.Event{Type: "x", ID: "1", Data: strings.Repeat("line\n", 1000)})
	if out.writes != 3 {
		t.Errorf("%d writes, want one for each of 3 calls", out.writes)
	}
	if want := ": hello\n: world\n: again\n\nretry: 2500\n\nevent: x\nid: 1\ndata: line\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %.100q", out.String())
	}
}

// FuzzEncode wants an encoded event to decode to itself and to nothing else,
// whatever is in it.
func FuzzEncode(f *testing.F) {
	f.Add("message", "1", "a\r\nb\rc\n", true, 5)
	f.Add("", "", "", false, 0)
	f.Add("x\n", "\x00", "\ufeff\u2028", true, -1)
	f.Fuzz(func(t *testing.T, typ, id, data string, hasID bool, retry int) {
		event := stream.Event{Type: typ, ID: id, HasID: hasID, Data: data, Retry: time.Duration(retry) * time.Millisecond}
		text, err := event.AppendText([]byte("data: before\n\n"))
		if err != nil {
			if !errors.Is(err, stream.ErrInjection) || !strings.ContainsAny(typ+id, "\r\n\x00") {
				t.Fatalf("%+v: %v", event, err)
			}
			return
		}
		d := stream.NewDecoder(bytes.NewReader(text))
		d.Event()
		got, err := d.Event()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := stream.Event{
			Type:     decodeUTF8(typ),
			ID:       decodeUTF8(id),
			HasID:    hasID || id != "",
			Data:     decodeUTF8(strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")),
			HasRetry: retry != 0,
			Retry:    max(event.Retry, 0),
		}
		if want.Type == "" {
			want.Type = stream.DefaultType
		}
		if got != want {
			t.Fatalf("%q:\n got %+v\nwant %+v", text, got, want)
		}
		if more, err := d.Event(); err == nil {
			t.Fatalf("%q: one event too many: %+v", text, more)
		}
	})
}
