package store

import "context"

// A Finding is what was found out about one thing that a run needs.
type Finding struct {
	What  string // "credentials", "versioning" …: a word or two
	Level Level
	Text  string // what was found, and what to do about it
	Err   error  // why; nil if Text says all. It is printed after Text
}

// A Level says how much a finding matters.
type Level int

// Levels of a finding.
const (
	Fine  Level = iota
	Note        // a run works, with a drawback; or it is not known
	Wrong       // a run fails, or what it stores is not safe
)

// String is the level as it is printed.
func (l Level) String() string { return [...]string{"ok", "note", "wrong"}[l] }

// An Examiner is a store or a table that can say how it is set up.
type Examiner interface {
	// Examine tells say of every setting that matters to a run, and changes nothing. It returns false
	// if the store can't be used, or is not there yet, so that more questions make no sense.
	Examine(ctx context.Context, say func(Finding)) bool
}
