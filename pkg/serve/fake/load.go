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

// IsAnswers reports whether a file has answers.
func IsAnswers(path string) bool {
	if !IsFile(filepath.Base(path)) {
		return false
	}
	l := newLoader(LoadOptions{})
	l.dir, l.file = filepath.Split(path)
	text, err := l.read(fileSystem{}, path, maxFile)
	if err != nil {
		return false
	}
	list, err := l.list(text)
	return err == nil && len(l.problems) == 0 && slices.ContainsFunc(list, isAnswer)
}

// Load returns the answers of the files in a directory, in the order of their names. The
// error is that of all problems but warnings, joined.
func Load(dir string, options LoadOptions) ([]Answer, error) {
	l, err := loadDir(dir, options)
	if err != nil {
		return nil, err
	}
	answers, problems := l.answers, l.problems
	var errs []error
	for _, p := range problems {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return answers, errors.Join(errs...)
}

// Check is Load that returns the problems, in the order of their places. It also warns
// of answers that are never given: an earlier one is given in their place, or they come
// after one that is never given.
func Check(dir string, options LoadOptions) ([]Answer, []*Problem, error) {
	l, err := loadDir(dir, options)
	if err != nil {
		return nil, nil, err
	}
	l.warn()
	l.sort()
	return l.answers, l.problems, nil
}

// loadDir reads the files in a directory.
func loadDir(dir string, options LoadOptions) (*loader, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return answer.CompareNames(a.Name(), b.Name()) })
	l := newLoader(options)
	for _, entry := range entries {
		if IsFile(entry.Name()) {
			l.load(dir, entry.Name())
		}
	}
	l.finish()
	return l, nil
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

// A folder opens files: the file system, or a directory that no path leaves.
type folder interface {
	Stat(name string) (fs.FileInfo, error)
	Open(name string) (*os.File, error)
}

type fileSystem struct{}

func (fileSystem) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
func (fileSystem) Open(name string) (*os.File, error)    { return os.Open(name) }

// readStream returns the bytes of a file of events, which is below the directory:
// answers that came with a stranger's repository must not publish the files of who
// serves them.
func (l *loader) readStream(name string) ([]byte, error) {
	if !filepath.IsLocal(name) {
		return nil, errors.New("want a path below the directory of the answers")
	}
	root, err := os.OpenRoot(cmp.Or(l.dir, "."))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return l.read(root, name, maxStream)
}

// read returns the bytes of a file, whose size is bounded.
func (l *loader) read(in folder, path string, most int64) ([]byte, error) {
	info, err := in.Stat(path) // before it is opened, which waits for the writer of a pipe
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	var file *os.File
	if err == nil {
		file, err = in.Open(path)
	}
	if err != nil {
		var of *fs.PathError
		if errors.As(err, &of) {
			err = of.Err
		}
		return nil, err
	}
	defer file.Close()
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
	text, err := l.read(fileSystem{}, l.path(), maxFile)
	if err != nil {
		l.fail(nil, err)
		return
	}
	l.parse(text)
}

// list returns the answers that the text of a file has.
func (l *loader) list(text []byte) ([]*node, error) {
	parse := parseYAML
	if strings.EqualFold(filepath.Ext(l.file), ".json") {
		parse = parseJSON
	}
	l.as = nil
	documents, err := []*node(nil), checkUTF8(text)
	if err == nil {
		documents, err = parse(text)
	}
	if err != nil {
		return nil, err
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
	return list, nil
}

// parse reads the text of a file.
func (l *loader) parse(text []byte) {
	list, err := l.list(text)
	if err != nil {
		l.fail(nil, err)
		return
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

// finish looks at the names that answers have for each other.
func (l *loader) finish() {
	for i := range l.places {
		p := &l.places[i]
		for _, n := range p.after {
			if !l.names[n.text] {
				l.at(p, n, false, fmt.Errorf("no answer is called %q%s", n.text, l.near(n.text)))
			}
		}
	}
	l.sort()
}

func (l *loader) sort() {
	slices.SortStableFunc(l.problems, func(a, b *Problem) int {
		return cmp.Or(answer.CompareNames(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// at adds a problem of an answer.
func (l *loader) at(p *place, n *node, warning bool, err error) {
	l.problems = append(l.problems, &Problem{File: p.file, Line: n.line, Column: n.column, Err: err, Warning: warning})
}

// maxNear bounds the names among which a near one is looked for.
const maxNear = 1000

// near returns the question whether another name was meant.
func (l *loader) near(name string) string {
	if len(l.names) > maxNear {
		return ""
	}
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
