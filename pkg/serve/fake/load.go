package fake

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve"
	"github.com/ssectl/ssectl/pkg/serve/internal/answer"
)

// LoadOptions are what the answers of files need besides them.
type LoadOptions struct {
	// Service tells the texts of answers that name no service. Nil means that they have
	// to.
	Service Service

	// Services returns the service that an answer names, nil if there is none. It is
	// called once for each name. Names are those that there are.
	Services func(name string) (Service, error)
	Names    []string

	// Pace has the Speed and Jitter of answers with a pace of their own.
	Pace serve.Pace
}

// A Problem is what is wrong with a file of answers.
type Problem struct {
	File         string // its path
	Line, Column int    // 0 if the problem is not of a place
	Err          error
	Warning      bool // the answers can be given all the same
}

func (p *Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place += fmt.Sprintf(": line %d", p.Line)
	}
	if p.Column > 0 {
		place += fmt.Sprintf(", column %d", p.Column)
	}
	return place + ": " + p.Err.Error()
}

func (p *Problem) Unwrap() error { return p.Err }

const (
	maxFile   = 16 << 20  // bytes of a file of answers
	maxStream = 64 << 20  // bytes of a file with a stream
	maxLoaded = 256 << 20 // bytes of all files
)

// IsFile reports whether a file with a name is read for answers.
func IsFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return !strings.HasPrefix(name, ".")
	}
	return false
}

// Load returns the answers of the files in a directory, in the order of their names. The
// error is that of all problems but warnings, joined.
func Load(dir string, options LoadOptions) ([]Answer, error) {
	answers, problems, err := Check(dir, options)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, p := range problems {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return answers, errors.Join(errs...)
}

// Check is Load that returns the problems, in the order of their places. It also warns
// of answers that are never given, as an earlier one is given in their place.
func Check(dir string, options LoadOptions) ([]Answer, []*Problem, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return answer.CompareNames(a.Name(), b.Name()) })
	l := newLoader(options)
	for _, entry := range entries {
		if IsFile(entry.Name()) {
			l.load(dir, entry.Name())
		}
	}
	l.finish()
	return l.answers, l.problems, nil
}

// Parse returns the answers of a text in YAML, or in JSON if the name ends in .json. The
// streams that it names are relative to dir.
func Parse(name string, text []byte, dir string, options LoadOptions) ([]Answer, error) {
	l := newLoader(options)
	l.dir, l.file = dir, name
	l.parse(text)
	l.finish()
	var errs []error
	for _, p := range l.problems {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return l.answers, errors.Join(errs...)
}

// A loader reads files of answers.
type loader struct {
	options  LoadOptions
	answers  []Answer
	places   []place // of the answers
	problems []*Problem
	services map[string]Service
	loaded   int64 // bytes of files
	names    map[string]bool

	dir, file string // that is read
	as        *node  // names the service of its answers
}

// A place is where an answer is written.
type place struct {
	file    string
	node    *node
	after   []*node
	matcher *matcher
}

func newLoader(options LoadOptions) *loader {
	return &loader{options: options, services: map[string]Service{}, names: map[string]bool{}}
}

// path returns the path of the file that is read.
func (l *loader) path() string { return filepath.Join(l.dir, l.file) }

// fail adds the problem of an error, at the place of a node unless it has its own.
func (l *loader) fail(n *node, err error) {
	p := &Problem{File: l.path(), Err: err}
	var placed *placeError
	switch {
	case errors.As(err, &placed):
		p.Line, p.Column, p.Err = placed.line, placed.column, placed.err
	case n != nil:
		p.Line, p.Column = n.line, n.column
	}
	l.problems = append(l.problems, p)
}

func (l *loader) failf(n *node, format string, args ...any) { l.fail(n, fmt.Errorf(format, args...)) }

// read returns the bytes of a file, whose size is bounded.
func (l *loader) read(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		var of *fs.PathError
		if errors.As(err, &of) {
			err = of.Err
		}
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	most = min(most, maxLoaded-l.loaded)
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > most && most < maxFile:
		return nil, fmt.Errorf("all files together are larger than %d bytes", maxLoaded)
	case int64(len(text)) > most:
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	l.loaded += int64(len(text))
	return text, nil
}

// load reads a file of answers.
func (l *loader) load(dir, name string) {
	l.dir, l.file = dir, name
	text, err := l.read(l.path(), maxFile)
	if err != nil {
		l.fail(nil, err)
		return
	}
	l.parse(text)
}

// parse reads the text of a file.
func (l *loader) parse(text []byte) {
	parse := parseYAML
	if strings.EqualFold(filepath.Ext(l.file), ".json") {
		parse = parseJSON
	}
	l.as = nil
	documents, err := parse(text)
	if err != nil {
		l.fail(nil, err)
		return
	}
	// A file has one answer, or a list of them, or an object with a list and what its
	// answers have in common.
	var list []*node
	for _, n := range documents {
		switch {
		case n.kind == isNull:
		case n.kind == isList:
			list = append(list, n.list...)
		case n.kind == isObject && n.member("answers") != nil:
			l.object(n, "the file", members{
				"as":      func(n *node) { l.as = n },
				"answers": func(n *node) { list = append(list, l.items(n, "answers")...) },
				"$schema": func(*node) {},
			})
		default:
			list = append(list, n)
		}
	}
	if !slices.ContainsFunc(list, isAnswer) { // a package.json, and the like
		l.problems = append(l.problems, &Problem{File: l.path(), Err: errors.New("there are no answers in it, and it is left out"), Warning: true})
		return
	}
	for i, n := range list {
		name := l.file
		if len(list) > 1 {
			name = fmt.Sprintf("%s#%d", l.file, i+1)
		}
		l.answer(n, name)
	}
}

// isAnswer reports whether a value is meant for an answer.
func isAnswer(n *node) bool { return n.member("answer") != nil || n.member("match") != nil }

// finish looks at what answers have to do with each other.
func (l *loader) finish() {
	for i := range l.places {
		p := &l.places[i]
		for _, n := range p.after {
			if !l.names[n.text] {
				l.at(p, n, false, fmt.Errorf("no answer is called %q%s", n.text, l.near(n.text)))
			}
		}
		if p.matcher == nil {
			continue
		}
		for j := range i {
			if l.places[j].matcher != nil && l.answers[j].Times == 0 && len(l.answers[j].After) == 0 && l.places[j].matcher.covers(p.matcher) {
				l.at(p, p.node, true, fmt.Errorf("it is never given: %s answers all that it answers", l.answers[j].Name))
				break
			}
		}
	}
	slices.SortStableFunc(l.problems, func(a, b *Problem) int {
		return cmp.Or(answer.CompareNames(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// at adds a problem of an answer.
func (l *loader) at(p *place, n *node, warning bool, err error) {
	l.problems = append(l.problems, &Problem{File: p.file, Line: n.line, Column: n.column, Err: err, Warning: warning})
}

// near returns the question whether another name was meant.
func (l *loader) near(name string) string {
	var names []string
	for name := range l.names {
		names = append(names, name)
	}
	return meant(name, names)
}

// service returns the service with a name.
func (l *loader) service(n *node) Service {
	name, ok := l.text(n, "as")
	if !ok {
		return nil
	}
	if s, ok := l.services[name]; ok {
		return s
	}
	var s Service
	var err error
	if l.options.Services != nil {
		s, err = l.options.Services(name)
	}
	switch {
	case err != nil:
		l.fail(n, err)
	case s == nil:
		l.failf(n, "no service is called %q%s", name, choice(name, l.options.Names))
	}
	l.services[name] = s
	return s
}
