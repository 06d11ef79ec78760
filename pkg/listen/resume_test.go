package listen

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ssectl/ssectl/pkg/stream"
)

func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("data: a\n\n"))
		if _, _, err := listenTo(t, s, Options{Start: Position{LastEventID: "räv"}}, "GET", ""); err != io.EOF {
			t.Error(err)
		}
		if want := []string{"räv", "räv"}; !slices.Equal(s.ids(), want) {
			t.Errorf("ids %q, want %q", s.ids(), want)
		}

		s = serving(events("id: 2\ndata: a\n\n"))
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://example.test", nil)
		req.Header.Set("Last-Event-ID", "1")
		for range New(req, Options{Client: &http.Client{Transport: s}}).Events() {
		}
		if want := []string{"1", "2"}; !slices.Equal(s.ids(), want) {
			t.Errorf("ids from the header of the request %q, want %q", s.ids(), want)
		}
	})
}

func TestIDThatNoHeaderHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("id: a\x01b\ndata: a\n\n"))
		_, changes, err := listenTo(t, s, Options{}, "GET", "")
		if err != io.EOF || !slices.Equal(s.ids(), []string{"", ""}) || !slices.ContainsFunc(changes, isRestart) {
			t.Errorf("ids %q, %v, changes %v", s.ids(), err, changes)
		}
	})
}

func isRestart(c Change) bool { _, ok := c.(Restarted); return ok }

func TestResumeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("id: 1\ndata: a\n\n"), events("id: 2\ndata: a\n\n"))
		if _, _, err := listenTo(t, s, Options{Resume: ResumeOff}, "GET", ""); err != io.EOF || !slices.Equal(s.ids(), []string{"", "", ""}) {
			t.Errorf("ids %q, %v", s.ids(), err)
		}
	})
}

func TestPositionOfTheResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(
			events("id: 1\ndata: a\n\n", "Last-Event-ID", "0"),
			events("data: b\n\n", "Mercure-Last-Event-ID", "5"), // not the 1 that was asked for
			events("data: c\n\n", "Last-Event-ID", "5"),
		)
		_, changes, err := listenTo(t, s, Options{}, "GET", "")
		if err != io.EOF || !slices.Equal(s.ids(), []string{"", "1", "5", "5"}) {
			t.Errorf("ids %q, %v", s.ids(), err)
		}
		var gaps []Gap
		for _, c := range changes {
			if gap, ok := c.(Gap); ok {
				gaps = append(gaps, gap)
			}
		}
		if !slices.Equal(gaps, []Gap{{"1", "5"}}) {
			t.Errorf("gaps %v", gaps)
		}
	})
}

func TestFreshAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := events(": hello\n\n")
		s := serving(events("id: 1\ndata: a\n\n"), silent, refusing, silent, events("data: b\n\n"))
		data, changes, err := listenTo(t, s, Options{FreshAfter: 2}, "GET", "")
		if err != io.EOF || len(data) != 2 || !slices.ContainsFunc(changes, isRestart) {
			t.Errorf("%q, %v, %v", data, err, changes)
		}
		if want := []string{"", "1", "1", "1", "", ""}; !slices.Equal(s.ids(), want) {
			t.Errorf("ids %q, want %q", s.ids(), want)
		}
	})
}

func TestReconnectOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serving(events("id: 1\nevent: close\ndata: bye\n\ndata: never read\n\n"), events("data: b\n\n"))
		data, changes, err := listenTo(t, s, Options{ReconnectOn: []string{"close"}}, "GET", "")
		if err != io.EOF || !slices.Equal(data, []string{"bye", "b"}) || !slices.Equal(s.ids(), []string{"", "1", "1"}) {
			t.Errorf("%q, ids %q, %v", data, s.ids(), err)
		}
		if d, ok := changes[1].(Dropped); !ok || d.Err != ErrGoodbye {
			t.Errorf("changes %v", changes)
		}
	})
}

const log = "data: a\n\ndata: b\n\ndata: c"

func TestResumeRange(t *testing.T) {
	whole := log + "\n\ndata: d\n\n"
	tag := []string{"ETag", `"1"`}
	part := func(from int, text string) func(*http.Request) (*http.Response, error) {
		return reply(206, "text/plain", strings.NewReader(text[from:]), append(tag, "Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(len(text)-1)+"/"+strconv.Itoa(len(text)))...)
	}
	all := func(text, etag string) func(*http.Request) (*http.Response, error) {
		return reply(200, "text/plain", strings.NewReader(text), "ETag", etag)
	}
	for _, test := range []struct {
		name   string
		second func(*http.Request) (*http.Response, error)
		want   []string
	}{
		{"206", part(18, whole), []string{"a", "b", "c", "d"}},
		{"206 from before", part(9, whole), []string{"a", "b", "c", "d"}},
		{"200 of the same", all(whole, `"1"`), []string{"a", "b", "c", "d"}},
		{"200 of the same, grown", all(whole, `"2"`), []string{"a", "b", "c", "d"}},
		{"416", reply(416, "", nil, "Content-Range", "bytes */25"), []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serving(all(log, `"1"`), test.second)
				data, _, err := listenTo(t, s, Options{Resume: ResumeRange}, "GET", "")
				if len(s.requests) < 2 {
					t.Fatalf("%v", err)
				}
				if !slices.Equal(data, test.want) {
					t.Errorf("events %q, want %q (%v)", data, test.want, err)
				}
				header := s.requests[1].Header
				if header.Get("Range") != "bytes=18-" || header.Get("If-Range") != `"1"` {
					t.Errorf("second request %v", header)
				}
				var cut *UnfinishedError
				if isCut := errors.As(err, &cut); isCut != (test.name == "416") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

func TestRangeOfAnotherLog(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"416":      reply(416, "", nil, "Content-Range", "bytes */5"),
		"replaced": reply(200, stream.ContentType, strings.NewReader("data: new, and longer than it was before\n\n")),
		"200":      reply(200, stream.ContentType, strings.NewReader("data\n\n")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serving(events(log+"\n\n"), answer, events("data: new\n\n"))
				data, changes, err := listenTo(t, s, Options{Resume: ResumeRange}, "GET", "")
				if err != io.EOF || data[len(data)-1] != "new" || !slices.ContainsFunc(changes, isRestart) {
					t.Errorf("%q, %v, %v", data, err, changes)
				}
			})
		})
	}
}
