package s3

import (
	"errors"
	"fmt"
	"strings"
)

// maxEmpty is how many pages in a row may be empty: S3 looks at so many keys for each answer, and
// all of them may have been deleted.
const maxEmpty = 1000

// listed follows a listing, which a server can't make endless by pages that repeat or are empty.
type listed struct {
	prefix string
	last   string // key
	empty  int    // pages in a row
}

// below checks that a key is one that was asked for.
func (l *listed) below(key string) error {
	if key == "" || !strings.HasPrefix(key, l.prefix) {
		return fmt.Errorf("the server lists %q, which does not begin with %q", key, l.prefix)
	}
	return nil
}

// key checks the next key of a listing of objects, whose keys rise.
func (l *listed) key(key string) error {
	if err := l.below(key); err != nil {
		return err
	}
	if key <= l.last {
		return fmt.Errorf("the server lists %q after %q: its keys are not in order", key, l.last)
	}
	l.last = key
	return nil
}

// page checks a page that is not the last: how many keys it had, and the token for the next page
// and its own.
func (l *listed) page(keys int, next, own string) error {
	if l.empty++; keys > 0 {
		l.empty = 0
	}
	switch {
	case strings.Trim(next, "\x00") == "":
		return errors.New("the server's listing is not complete, and has no token to go on with")
	case next == own:
		return errors.New("the server's listing does not end: it gave the same continuation token twice")
	case l.empty > maxEmpty:
		return fmt.Errorf("the server's listing does not end: %d pages in a row were empty", l.empty)
	}
	return nil
}
