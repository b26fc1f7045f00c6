// Package exclude decides by patterns what of a tree is left out. It knows patterns and paths, and no
// file system: package walk asks it about what it meets, and package ledger about what a run met.
package exclude

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
)

// List is a list of patterns in the syntax of gitignore(5), relative to the backup path, which
// itself is never left out. The last pattern that matches an entry decides; no pattern takes in again
// what is in a directory that is left out. A nil or zero List matches nothing. It must not be changed
// once it is used.
type List struct {
	// Root is the absolute, cleaned backup path. A pattern that begins with it and goes on below it is
	// an absolute one; "": all are relative.
	Root string

	patterns []pattern
	lines    []string
}

// Lines returns the patterns in order, as they were given; but absolute ones relative to the backup
// path.
func (x *List) Lines() []string {
	if x == nil {
		return nil
	}
	return slices.Clone(x.lines)
}

// Empty reports whether there is no pattern.
func (x *List) Empty() bool { return x == nil || len(x.patterns) == 0 }

// pattern is one line.
type pattern struct {
	glob     glob
	negated  bool // takes in again
	dirOnly  bool
	nameOnly bool // is compared with the last segment alone

	given, from string       // as it was given, and the file and line that it is from
	hit         *atomic.Bool // it matched something
}

// An Idle pattern matched nothing.
type Idle struct {
	Pattern string // as it was given
	From    string // file and line, "" for one that Add was given
}

// Negated reports whether the pattern takes in again.
func (i Idle) Negated() bool { return strings.HasPrefix(i.Pattern, "!") }

// Idle returns the patterns that matched nothing of what MatchIn and LeavesOut were asked until now.
func (x *List) Idle() (idle []Idle) {
	if x == nil {
		return nil
	}
	for _, p := range x.patterns {
		if !p.hit.Load() {
			idle = append(idle, Idle{p.given, p.from})
		}
	}
	return idle
}

// Add appends one pattern, written as a line of a .gitignore file; but '#' at its beginning and
// spaces at its end are part of the pattern. A pattern that can never match is an error.
//
// With a Root of /srv/data, "/srv/data/tmp" is "/tmp". Where /srv/data/srv/data/tmp is meant,
// "srv/data/tmp" without the first slash says so, which is as anchored.
func (x *List) Add(line string) error { return x.add(line, "") }

func (x *List) add(line, from string) error {
	p := pattern{given: line, from: from, hit: new(atomic.Bool)}
	line = x.relative(line)
	text := line
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		p.negated, text = true, rest
	}
	if rest, ok := strings.CutSuffix(text, "/"); ok {
		p.dirOnly, text = true, rest
	}
	if text == "" {
		return fmt.Errorf("reading the exclude pattern %q: it names nothing", line)
	}
	p.nameOnly = !strings.Contains(text, "/")
	var err error
	if p.glob, err = compile(strings.TrimPrefix(text, "/")); err != nil {
		return fmt.Errorf("reading the exclude pattern %q: %w", line, err)
	}
	x.patterns = append(x.patterns, p)
	x.lines = append(x.lines, line)
	return nil
}

// relative returns a pattern that is an absolute one as one relative to the backup path.
func (x *List) relative(line string) string {
	text := strings.TrimPrefix(line, "!")
	negation := line[:len(line)-len(text)]
	for i := range len(x.Root) {
		if len(text) > 1 && text[0] == '\\' {
			text = text[1:]
		}
		if text == "" || text[0] != x.Root[i] {
			return line
		}
		text = text[1:]
	}
	if x.Root == "/" || len(text) < 2 || text[0] != '/' {
		return line
	}
	return negation + text
}

// AddFrom appends the patterns in a file in the format of .gitignore: one a line, without comments,
// and without spaces at the end that no backslash quotes. name is for messages.
func (x *List) AddFrom(r io.Reader, name string) error {
	const longest = 1 << 20
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	var errs []error
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if text := trimSpaces(string(line)); text != "" {
			from := fmt.Sprintf("%s:%d", name, n)
			if err := x.add(text, from); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", from, err))
			}
		}
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("reading exclude patterns from %s: %w", name, err))
	}
	return errors.Join(errs...)
}

// trimSpaces drops the spaces at the end of a line, up to one that a backslash quotes.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(s))
	}
	return s[:end]
}

// MatchIn reports whether a pattern leaves out the entry name in the directory rel, which ends in a
// slash unless it is "". The directories above are not looked at.
func (x *List) MatchIn(rel, name []byte, dir bool) bool { return x.WhichIn(rel, name, dir) >= 0 }

// WhichIn is MatchIn that returns the place among Lines of the pattern that leaves the entry out, -1
// if none does.
func (x *List) WhichIn(rel, name []byte, dir bool) int {
	if x.Empty() {
		return -1
	}
	var short [512]byte
	path := append(append(short[:0], rel...), name...)
	decided, out := false, -1
	for i := len(x.patterns) - 1; i >= 0; i-- {
		p := &x.patterns[i]
		if p.dirOnly && !dir || decided && p.hit.Load() {
			continue
		}
		subject := path
		if p.nameOnly {
			subject = name
		}
		if !p.glob.match(subject) {
			continue
		}
		if !p.hit.Load() {
			p.hit.Store(true)
		}
		if !decided {
			decided = true
			if !p.negated {
				out = i
			}
		}
	}
	return out
}

// LeavesOut reports whether a pattern leaves out an entry or a directory above it. The path is
// relative to the backup path, which is "".
func (x *List) LeavesOut(path string, dir bool) bool {
	if x.Empty() || path == "" {
		return false
	}
	for from := 0; ; {
		n := strings.IndexByte(path[from:], '/')
		if n < 0 {
			return x.MatchIn([]byte(path[:from]), []byte(path[from:]), dir)
		}
		if x.MatchIn([]byte(path[:from]), []byte(path[from:from+n]), true) {
			return true
		}
		from += n + 1
	}
}

// MayLeaveOutBelow reports whether a pattern could leave out something below a directory. The path
// is relative to the backup path, which is "".
func (x *List) MayLeaveOutBelow(path string) bool {
	if x.Empty() {
		return false
	}
	return slices.ContainsFunc(x.patterns, func(p pattern) bool {
		return !p.negated && (p.nameOnly || path == "" || p.glob.matchesBelow([]byte(path+"/")))
	})
}
