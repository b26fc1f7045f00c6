package stages

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"firn/stages/format/key"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// deeperPrefixes are the prefixes below a prefix that have a catalogue of their own, ending in a slash: what lies there was saved with that
// longer prefix, and is no part of what was saved with this one. It takes a listing.
func deeperPrefixes(ctx context.Context, s store.Store, prefix string) (deeper []string, err error) {
	own := ledger.Dir(prefix)
	err = s.List(ctx, key.Prefix(prefix), func(o store.Object) error {
		if !ledger.IsRun(o.Key) || strings.HasPrefix(o.Key, own) {
			return nil
		}
		i := strings.LastIndex(o.Key, "/.firn/")
		if i >= 0 && !slices.Contains(deeper, o.Key[:i+1]) {
			deeper = append(deeper, o.Key[:i+1])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.URL(), err)
	}
	return deeper, nil
}

// liesBelow tells whether a key has one of the prefixes.
func liesBelow(prefixes []string, k string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(k, p) })
}
