package backup

import (
	"context"
	"errors"
	"io"
	"slices"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
)

// Bounds of the search for what could not be read in archives with other keys.
const (
	maxElsewhere = 100  // subtrees for which a manifest is read
	maxParts     = 1000 // archives whose lists are read for one of them
)

// elsewhere returns the id of the newest run that cut the tree at another depth, if its archives, which
// have other keys, hold what could not be read now; "" if they do not, as far as is known. Errors: those
// of the store as a whole, or ctx's cause.
func (b *backup) elsewhere(ctx context.Context, s *subtree) (string, error) {
	runs, err := b.runs()
	if err != nil {
		return "", b.ofAll(ctx, err)
	}
	for _, run := range slices.Backward(runs) {
		if run.Path != key.Clean(b.tree.Path()) || run.Depth == b.walking.Depth {
			continue
		}
		if b.searched.Add(1) > maxElsewhere {
			return "", nil
		}
		held, err := b.hasUnread(ctx, s, run)
		if err != nil || !held {
			return "", b.ofAll(ctx, err)
		}
		return run.ID, nil
	}
	return "", nil
}

// hasUnread reports whether an archive of a run holds what could not be read of s.
func (b *backup) hasUnread(ctx context.Context, s *subtree, run catalogue.Run) (bool, error) {
	var parts []catalogue.Subtree
	err := b.Ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
		above, below := treepath.Within(line.Path, s.savedPath()), treepath.Within(s.savedPath(), line.Path)
		if (above || below) && line.HasObject() && line.List != nil && len(parts) < maxParts {
			parts = append(parts, line)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, line := range parts {
		held := false
		err := b.shelf().List(ctx, *line.List, line.Owner(), func(list *catalogue.ListReader) error {
			members := treepath.MembersOf(line.Path)
			for !held {
				e, err := list.Next()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				held = s.unread.of(members.Path(e.Path), &e).kind != ""
			}
			return nil
		})
		if err = b.ofAll(ctx, err); held || err != nil {
			return held, err
		}
	}
	return false, nil
}

// ofAll is err if it is one of the store as a whole, or ctx's cause.
func (b *backup) ofAll(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if pipeline.IsFatal(err) {
		return err
	}
	return nil
}
