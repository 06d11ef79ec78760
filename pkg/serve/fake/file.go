package fake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ssectl/ssectl/internal/httpx"
	"github.com/ssectl/ssectl/internal/suggest"
	"github.com/ssectl/ssectl/pkg/record"
	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/fault"
	"github.com/ssectl/ssectl/pkg/stream"
)

// members are the members that an object may have, and the functions that read them.
type members map[string]func(*node)

// object reads an object, and fails for members that it does not have.
func (l *loader) object(n *node, what string, of members) bool {
	if n.kind != isObject {
		l.failf(n, "%s is %s, want an object", what, n.kind)
		return false
	}
	for i, key := range n.keys {
		if read := of[key.text]; read != nil {
			read(n.list[i])
			continue
		}
		l.failf(key, "%s has no member %q%s", what, key.text, choice(key.text, slices.Sorted(maps.Keys(of))))
	}
	return true
}

// meant returns the question whether another name was meant, "" if none is near.
func meant(name string, names []string) string {
	if near := suggest.Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// choice is meant, or else lists the names.
func choice(name string, names []string) string {
	if near := meant(name, names); near != "" || len(names) == 0 {
		return near
	}
	return "; want one of " + strings.Join(names, ", ")
}

// text returns the text of a node that is one, or of a number or a boolean.
func (l *loader) text(n *node, what string) (string, bool) {
	switch n.kind {
	case isText, isNumber, isBool:
		return n.text, true
	}
	l.failf(n, "%s is %s, want text", what, n.kind)
	return "", false
}

// items returns the items of a list, or of a single value.
func (l *loader) items(n *node, what string) []*node {
	switch n.kind {
	case isList:
		return n.list
	case isNull:
		l.failf(n, "%s is null", what)
		return nil
	}
	return []*node{n}
}

// whole returns a whole number of at least least.
func (l *loader) whole(n *node, what string, least int) int {
	number, err := strconv.Atoi(n.text)
	switch {
	case errors.Is(err, strconv.ErrRange) && n.kind == isNumber:
		l.failf(n, "%s: %s is too large", what, httpx.Clip(n.text, maxShown))
	case n.kind != isNumber || err != nil || number < least:
		l.failf(n, "%s: want a whole number from %d on%s", what, least, unquoted(n))
	}
	return number
}

// unquoted returns the hint for a number that is text.
func unquoted(n *node) string {
	if n.kind == isText && jsonNumber.MatchString(n.text) {
		return ", without quotes"
	}
	return ""
}

// duration returns a duration: "500ms", or a number of milliseconds.
func (l *loader) duration(n *node, what string) time.Duration {
	var d time.Duration
	var err error
	if n.kind == isNumber {
		var ms float64
		ms, err = strconv.ParseFloat(n.text, 64)
		const most = float64(1<<62) / float64(time.Millisecond)
		if !(ms >= 0 && ms <= most) {
			err = errors.New("out of range")
		}
		d = time.Duration(ms * float64(time.Millisecond))
	} else {
		d, err = time.ParseDuration(n.text)
	}
	if err != nil || d < 0 {
		l.failf(n, `%s: want a duration such as "500ms", or milliseconds`, what)
		return 0
	}
	return d
}

// value compiles the expressions of a value, and reports whether it has any.
func (l *loader) value(n *node) (hasCode bool) {
	hasCode, err := n.compile()
	if err != nil {
		l.fail(n, err)
	}
	return hasCode
}

// answer reads an answer.
func (l *loader) answer(n *node, name string) {
	a := Answer{Name: name}
	p := place{file: l.path(), node: n}
	m := &maker{loader: l, service: l.options.Service}
	as := l.as
	var reply *node
	before := len(l.problems)
	ok := l.object(n, "an answer", members{
		"$schema": func(*node) {},
		"name": func(n *node) {
			if text, ok := l.text(n, "name"); ok && text != "" {
				a.Name = text
			}
		},
		"match":  func(n *node) { a.Match = l.match(n) },
		"answer": func(n *node) { reply = n },
		"as":     func(n *node) { as = n },
		"pace":   func(n *node) { a.Wait = l.pace(n) },
		"delay":  func(n *node) { a.Delay = l.duration(n, "delay") },
		"times":  func(n *node) { a.Times = l.whole(n, "times", 1) },
		"fault": func(n *node) {
			for _, item := range l.items(n, "fault") {
				if text, ok := l.text(item, "fault"); ok {
					f, err := fault.Parse(text)
					if err != nil {
						l.fail(item, err)
						continue
					}
					a.Faults = append(a.Faults, f)
				}
			}
		},
		"after": func(n *node) {
			for _, item := range l.items(n, "after") {
				if text, ok := l.text(item, "after"); ok {
					a.After = append(a.After, text)
					p.after = append(p.after, item)
				}
			}
		},
	})
	if as != nil {
		m.service = l.service(as)
		a.Service = m.service
	}
	switch {
	case !ok:
	case reply == nil:
		l.failf(n, "an answer needs a member \"answer\"")
	default:
		m.read(reply, &a)
	}
	if l.names[a.Name] {
		l.failf(n, "another answer is called %q", a.Name)
	}
	l.names[a.Name] = true
	if len(l.problems) == before {
		var err error
		if p.matcher, err = a.Match.compile(); err != nil {
			l.fail(n, err)
		}
	}
	m.loader = nil // which is not needed to make replies
	l.answers, l.places = append(l.answers, a), append(l.places, p)
}

// pace reads the pace of an answer.
func (l *loader) pace(n *node) Wait {
	text, ok := l.text(n, "pace")
	if !ok {
		return nil
	}
	pace, err := serve.ParsePace(text)
	if err != nil {
		l.fail(n, err)
		return nil
	}
	pace.Speed, pace.Jitter = l.options.Pace.Speed, l.options.Pace.Jitter
	return WaitOf(pace)
}

// WaitOf returns the Wait of a pace.
func WaitOf(pace serve.Pace) Wait {
	return func(own time.Duration, next bool) time.Duration {
		if !pace.Recorded && !next {
			return 0
		}
		return pace.Gap(own)
	}
}

// match reads the requests that an answer is for: an object, or short "POST /path".
func (l *loader) match(n *node) (m Match) {
	if n.kind == isText {
		var ok bool
		if m.Method, m.Path, ok = strings.Cut(n.text, " "); !ok {
			m.Method, m.Path = "", n.text
		}
		l.checkMatch(n, m)
		return m
	}
	l.object(n, "match", members{
		"method":  func(n *node) { m.Method, _ = l.text(n, "method"); l.checkMatch(n, Match{Method: m.Method}) },
		"path":    func(n *node) { m.Path, _ = l.text(n, "path"); l.checkMatch(n, Match{Path: m.Path}) },
		"query":   func(n *node) { m.Query = l.patterns(n, "query") },
		"headers": func(n *node) { m.Header = l.patterns(n, "headers"); l.checkMatch(n, Match{Header: m.Header}) },
		"json":    func(n *node) { m.JSON = n.value() },
		"body":    func(n *node) { m.Body, _ = l.text(n, "body") },
		"jq":      func(n *node) { m.JQ, _ = l.text(n, "jq"); l.checkMatch(n, Match{JQ: m.JQ}) },
	})
	return m
}

func (l *loader) checkMatch(n *node, m Match) {
	if _, err := m.compile(); err != nil {
		l.fail(n, err)
	}
}

// patterns reads the patterns of parameters or headers. A null is [Absent].
func (l *loader) patterns(n *node, what string) map[string]string {
	list := map[string]string{}
	if n.kind != isObject {
		l.failf(n, "%s is %s, want an object", what, n.kind)
		return nil
	}
	for i, key := range n.keys {
		if n.list[i].kind == isNull {
			list[key.text] = Absent
		} else if text, ok := l.text(n.list[i], what+" "+key.text); ok {
			list[key.text] = text
		}
	}
	return list
}

// A maker makes the replies of an answer in a file.
type maker struct {
	loader  *loader // while it is read
	service Service

	status  *node
	header  []headerValue
	json    *node
	body    *node
	failure *node
	content *contentValue
	events  []eventValue
	records []record.Record // of a file
	stream  bool
	dynamic bool // has expressions

	channel *node
	tell    *node // the channel that is told
	told    []eventValue
	end     bool
}

type headerValue struct {
	name  string
	value *node
}

type contentValue struct {
	text, thinking, finish, result *node
	tools                          []toolValue
	usage                          *Usage
}

type toolValue struct {
	id, name, arguments *node
}

// An eventValue is an event that is made.
type eventValue struct {
	node            *node
	hasRetry        bool
	event, id, data *node
	comment         *node
	retry, delay    time.Duration
	hasEvent        bool
}

// read reads the member "answer".
func (m *maker) read(n *node, a *Answer) {
	l := m.loader
	var kinds []string // of bodies
	kind := func(name string) {
		if !slices.Contains(kinds, name) {
			kinds = append(kinds, name)
		}
	}
	content := func() *contentValue {
		kind("text")
		if m.content == nil {
			m.content = &contentValue{}
		}
		return m.content
	}
	ok := l.object(n, "answer", members{
		"status": func(n *node) {
			m.status = n
			if !m.code(n) {
				if status, err := strconv.Atoi(n.text); n.kind != isNumber || err != nil || status < 200 || status > 599 {
					l.failf(n, "status: want a number from 200 to 599%s", unquoted(n))
				}
			}
		},
		"headers":  func(n *node) { m.readHeader(n) },
		"json":     func(n *node) { kind("json"); m.json = n; m.code(n) },
		"body":     func(n *node) { kind("body"); m.body = n; m.code(n) },
		"error":    func(n *node) { kind("error"); m.failure = n; m.code(n) },
		"stream":   func(n *node) { kind("stream"); m.stream = true; m.readStream(n) },
		"events":   func(n *node) { kind("events"); m.stream = true; m.events = m.readEvents(n, "events") },
		"text":     func(n *node) { content().text = n; m.code(n) },
		"thinking": func(n *node) { content().thinking = n; m.code(n) },
		"finish":   func(n *node) { content().finish = n; m.code(n) },
		"result":   func(n *node) { content().result = n; m.code(n) },
		"tools":    func(n *node) { content().tools = m.readTools(n) },
		"usage":    func(n *node) { content().usage = m.readUsage(n) },
		"channel":  func(n *node) { m.channel = n; m.code(n); m.stream = true },
		"tell":     func(n *node) { m.readTell(n) },
	})
	if !ok {
		return
	}
	if len(kinds) > 1 {
		l.failf(n, "want only one of %s", strings.Join(kinds, ", "))
	}
	if m.channel != nil && (m.json != nil || m.body != nil || m.failure != nil) {
		l.failf(m.channel, "channel: only a stream of events stays open")
	}
	if m.content != nil && m.service == nil {
		l.failf(n, "a text is told by a service: name one with \"as\"")
	}
	if m.events != nil && !m.dynamic {
		m.records = nil
		for i := range m.events {
			r, err := m.events[i].make(&environment{})
			if err != nil {
				l.failf(m.events[i].node, "%w", err)
			}
			m.records = append(m.records, r)
		}
		m.events = nil
	}
	a.Make = m.make
	if m.channel != nil {
		a.Channel = m.channelOf
	}
	if m.tell != nil {
		a.Tell = m.telling
	}
}

// code compiles the expressions of a value, and reports whether there are any.
func (m *maker) code(n *node) bool {
	has := m.loader.value(n)
	m.dynamic = m.dynamic || has
	return has
}

func (m *maker) readHeader(n *node) {
	l := m.loader
	if n.kind != isObject {
		l.failf(n, "headers is %s, want an object", n.kind)
		return
	}
	for i, key := range n.keys {
		if !httpx.IsToken(key.text) {
			l.failf(key, "%q is no name of a header", key.text)
			continue
		}
		values := []*node{n.list[i]}
		if n.list[i].kind == isList {
			values = n.list[i].list
		}
		for _, value := range values {
			if has := m.code(value); !has && (value.kind >= isList || !httpx.IsFieldValue(value.text)) {
				l.failf(value, "this value of the header %q has characters that a header cannot have", key.text)
			}
			m.header = append(m.header, headerValue{key.text, value})
		}
	}
}

// readStream reads the file of a stream.
func (m *maker) readStream(n *node) {
	l := m.loader
	name, ok := l.text(n, "stream")
	if !ok {
		return
	}
	text, err := l.readStream(filepath.FromSlash(name))
	if err != nil {
		l.failf(n, "stream %s: %w", name, err)
		return
	}
	records, _, err := record.Read(strings.NewReader(string(text)), record.FormatAuto, 0)
	if err != nil {
		l.failf(n, "stream %s: %w", name, err)
		return
	}
	var last time.Time
	for r, err := range records {
		if err != nil {
			l.failf(n, "stream %s: %w", name, err)
			return
		}
		if r.Meta != nil {
			continue
		}
		if r.Delay == 0 && !last.IsZero() && r.Time.After(last) {
			r.Delay = r.Time.Sub(last)
		}
		if !r.Time.IsZero() {
			last = r.Time
		}
		m.records = append(m.records, r)
	}
}

// readEvents reads a list of events. One that is text is its data.
func (m *maker) readEvents(n *node, what string) (list []eventValue) {
	l := m.loader
	for _, item := range l.items(n, what) {
		e := eventValue{node: item}
		if item.kind != isObject || item.member("jq") != nil && len(item.keys) == 1 {
			e.data, e.hasEvent = item, true
			m.code(item)
			list = append(list, e)
			continue
		}
		l.object(item, "an event", members{
			"event":   func(n *node) { e.event, e.hasEvent = n, true; m.code(n) },
			"data":    func(n *node) { e.data, e.hasEvent = n, true; m.code(n) },
			"id":      func(n *node) { e.id = n; m.code(n) },
			"comment": func(n *node) { e.comment = n; m.code(n) },
			"retry": func(n *node) {
				e.retry, e.hasRetry = time.Duration(l.whole(n, "retry", 0))*time.Millisecond, true
			},
			"delay": func(n *node) { e.delay = l.duration(n, "delay") },
		})
		if e.comment != nil && (e.hasEvent || e.id != nil || e.hasRetry) {
			l.failf(item, "a comment is an item of its own")
		}
		list = append(list, e)
	}
	return list
}

func (m *maker) readTools(n *node) (list []toolValue) {
	l := m.loader
	for _, item := range l.items(n, "tools") {
		var tool toolValue
		l.object(item, "a call of a tool", members{
			"id":        func(n *node) { tool.id = n; m.code(n) },
			"name":      func(n *node) { tool.name = n; m.code(n) },
			"arguments": func(n *node) { tool.arguments = n; m.code(n) },
		})
		if tool.name == nil {
			l.failf(item, "a call of a tool needs a name")
		}
		list = append(list, tool)
	}
	return list
}

func (m *maker) readUsage(n *node) *Usage {
	var u Usage
	m.loader.object(n, "usage", members{
		"input":  func(n *node) { u.Input = m.loader.whole(n, "input", 0) },
		"output": func(n *node) { u.Output = m.loader.whole(n, "output", 0) },
	})
	return &u
}

func (m *maker) readTell(n *node) {
	l := m.loader
	l.object(n, "tell", members{
		"channel": func(n *node) { m.tell = n; m.code(n) },
		"events":  func(n *node) { m.told = m.readEvents(n, "events") },
		"end": func(n *node) {
			if n.kind != isBool {
				l.failf(n, "end is %s, want true or false", n.kind)
			}
			m.end = n.text == "true"
		},
	})
	if m.tell == nil {
		l.failf(n, "tell needs a channel")
	}
}

// environment returns what expressions about a request see, and the end of their time.
func (m *maker) environment(r *Request) (*environment, context.CancelFunc) {
	if !m.dynamic {
		return &environment{}, func() {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxJQ)
	return &environment{ctx: ctx, input: r.values()}, cancel
}

// make makes the reply to a request.
func (m *maker) make(r *Request) (*Reply, error) {
	e, cancel := m.environment(r)
	defer cancel()
	status := 0
	if m.status != nil {
		text, _, err := m.status.string(e)
		if err == nil {
			status, err = strconv.Atoi(text)
		}
		if err != nil || status < 200 || status > 599 {
			return nil, fmt.Errorf("status %s: want 200 to 599", text)
		}
	}
	header := http.Header{}
	for _, h := range m.header {
		value, ok, err := h.value.string(e)
		switch {
		case err != nil:
			return nil, err
		case ok && !httpx.IsFieldValue(value):
			return nil, fmt.Errorf("the value for the header %q has characters that a header cannot have", h.name)
		case ok:
			header.Add(h.name, value)
		}
	}
	return m.reply(r, e, status, header)
}

// reply makes the reply with a status, 0 for that of the body, and a header.
func (m *maker) reply(r *Request, e *environment, status int, header http.Header) (*Reply, error) {
	switch {
	case m.stream:
		records := m.records
		if m.events != nil {
			var err error
			if records, err = recordsOf(m.events, e); err != nil {
				return nil, err
			}
		}
		return resumed(r, header, status, records), nil
	case m.json != nil:
		body, ok, err := m.json.appendJSON(nil, e)
		if err == nil && !ok {
			err = errors.New("the expression of json has no result")
		}
		httpx.SetDefault(header, "Content-Type", "application/json")
		return &Reply{Status: status, Header: header, Body: body}, err
	case m.body != nil:
		text, _, err := m.body.string(e)
		return &Reply{Status: status, Header: header, Body: []byte(text)}, err
	case m.content != nil:
		content, err := m.content.content(e)
		if err != nil {
			return nil, err
		}
		reply, err := tell(m.service, r, content)
		return over(reply, status, header), err
	case m.failure != nil || m.service != nil && status >= 400:
		message := ""
		if m.failure != nil {
			var err error
			if message, _, err = m.failure.string(e); err != nil {
				return nil, err
			}
		}
		if status == 0 {
			status = http.StatusInternalServerError
		}
		if m.service != nil {
			if reply := m.service.Error(r, status, message); reply != nil {
				return over(reply, status, header), nil
			}
		}
		if message == "" {
			message = http.StatusText(status)
		}
		return over(JSON(status, map[string]any{"error": map[string]any{"code": status, "message": message}}), status, header), nil
	}
	return &Reply{Status: status, Header: header}, nil
}

// over returns a reply with another status, if it is not 0, and further headers.
func over(reply *Reply, status int, header http.Header) *Reply {
	if reply == nil {
		return nil
	}
	changed := *reply
	if status != 0 {
		changed.Status = status
	}
	changed.Header = reply.Header.Clone()
	if changed.Header == nil {
		changed.Header = http.Header{}
	}
	maps.Copy(changed.Header, header)
	return &changed
}

// content makes the content of an answer.
func (c *contentValue) content(e *environment) (*Content, error) {
	content := &Content{Usage: c.usage}
	for _, part := range []struct {
		from *node
		to   *string
	}{{c.text, &content.Text}, {c.thinking, &content.Thinking}, {c.finish, &content.Finish}} {
		if part.from == nil {
			continue
		}
		var err error
		if *part.to, _, err = part.from.string(e); err != nil {
			return nil, err
		}
	}
	if c.result != nil {
		text, ok, err := c.result.appendJSON(nil, e)
		if err != nil {
			return nil, err
		}
		if ok {
			content.JSON = json.RawMessage(text)
		}
	}
	for _, tool := range c.tools {
		var call ToolCall
		var err error
		if call.Name, _, err = tool.name.string(e); err != nil {
			return nil, err
		}
		if tool.id != nil {
			if call.ID, _, err = tool.id.string(e); err != nil {
				return nil, err
			}
		}
		if tool.arguments != nil {
			arguments, ok, err := tool.arguments.appendJSON(nil, e)
			if err != nil {
				return nil, err
			}
			if ok {
				call.Arguments = arguments
			}
		}
		content.Tools = append(content.Tools, call)
	}
	return content, nil
}

// recordsOf makes events.
func recordsOf(events []eventValue, e *environment) ([]record.Record, error) {
	list := make([]record.Record, 0, len(events))
	for i := range events {
		r, err := events[i].make(e)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// make makes an event.
func (v *eventValue) make(e *environment) (record.Record, error) {
	r := record.Record{IsEvent: v.hasEvent, Delay: v.delay, Event: stream.Event{HasRetry: v.hasRetry, Retry: v.retry}}
	for _, part := range []struct {
		from *node
		to   *string
		has  *bool
	}{{v.event, &r.Type, nil}, {v.id, &r.ID, &r.HasID}, {v.data, &r.Data, nil}, {v.comment, &r.Comment, &r.HasComment}} {
		if part.from == nil {
			continue
		}
		text, ok, err := part.from.string(e)
		if err != nil {
			return r, err
		}
		if *part.to = text; part.has != nil {
			*part.has = ok
		}
	}
	if r.IsEvent && r.Type == "" {
		r.Type = "message"
	}
	_, err := r.AppendText(nil)
	return r, err
}

// channelOf returns the channel that the stream of a request listens to.
func (m *maker) channelOf(r *Request) (string, error) {
	e, cancel := m.environment(r)
	defer cancel()
	name, _, err := m.channel.string(e)
	return name, err
}

// telling returns what a request makes others hear.
func (m *maker) telling(r *Request) (*Telling, error) {
	e, cancel := m.environment(r)
	defer cancel()
	name, _, err := m.tell.string(e)
	if err != nil {
		return nil, err
	}
	records, err := recordsOf(m.told, e)
	return &Telling{Channel: name, Records: records, End: m.end}, err
}
