package prove

import (
	"errors"

	"firn/stages/service/report"
)

// A Said is an error in words for another host, with what is asked of errors there.
type Said struct {
	Text    string
	Problem report.Problem // see ProblemOf
	Is      uint64         // which of the errors that are known it is, one bit each
}

// Say says an error that is not nil. known are errors that Err is asked for by errors.Is, at most 64.
func Say(err error, known []error) Said {
	s := Said{Text: err.Error(), Problem: ProblemOf(err)}
	for i, target := range known {
		if errors.Is(err, target) {
			s.Is |= 1 << i
		}
	}
	return s
}

// Err is the error that was said, with the same known. It is all of those that it was, and more.
func (s Said) Err(known []error, more ...error) error {
	said := &saidError{text: s.Text, is: more}
	for i, target := range known {
		if s.Is&(1<<i) != 0 {
			said.is = append(said.is, target)
		}
	}
	if s.Problem != "" {
		return &Damage{s.Problem, said}
	}
	return said
}

type saidError struct {
	text string
	is   []error
}

func (e *saidError) Error() string   { return e.text }
func (e *saidError) Unwrap() []error { return e.is }
