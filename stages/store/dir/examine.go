package dir

import (
	"context"
	"os"

	"firn/stages/store"
)

var _ store.Examiner = (*Store)(nil)

// Examine looks at the directory, or at the one that it would be made in.
func (s *Store) Examine(ctx context.Context, say func(store.Finding)) bool {
	f := store.Finding{What: "store", Text: s.URL() + " exists, and may be written"}
	_, err := os.Stat(s.root)
	there := err == nil
	if !there {
		f.Level, f.Text = store.Note, s.URL()+" is not there yet: the first run makes it; if there was one, mount its disk"
	}
	if err := s.Check(ctx, store.ToWrite); err != nil {
		f, there = store.Finding{What: f.What, Level: store.Wrong, Err: err}, false
	}
	say(f)
	return there
}
