package rebuild

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/service/report"
)

// A foundList is a list in a pack that the store still holds: some hundred
// bytes each.
type foundList struct {
	place          catalogue.Place // its pack's key is shared by all lists in it
	entries, bytes int64
	shell          bool
	path           string // if the key does not tell it
}

// listHash stands for an archive's key and MD5.
func listHash(key, md5 string) [16]byte {
	sum := sha256.Sum256([]byte(key + "\x00" + md5))
	return [16]byte(sum[:16])
}

// readPacks notes where the lists of entries lie that are still there. A pack
// that can't be read costs the lists in it, no more.
func (r *rebuild) readPacks(ctx context.Context) error {
	held, err := r.Ledger.Packs(ctx)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(held))
	for key := range held {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		err := r.readPack(ctx, key)
		if ctx.Err() != nil || pipeline.IsFatal(err) {
			return err
		}
		if err != nil {
			r.Report.Event(report.Event{Kind: report.Warning, Key: key, Text: "the lists of entries in it can't be used", Err: err})
		}
	}
	return nil
}

func (r *rebuild) readPack(ctx context.Context, pack string) error {
	p, err := r.Ledger.Pack(ctx, pack)
	if err != nil {
		return err
	}
	defer p.Close()
	var last *foundList // whose end is where the next one begins
	var lastOf [16]byte
	keep := func(end int64) {
		if last != nil {
			last.place.Length = end - last.place.Offset
			r.lists[lastOf] = *last
		}
	}
	err = p.Lists(func(at catalogue.Place, list *catalogue.ListReader) error {
		keep(at.Offset)
		last = nil
		var t tally
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("reading the list of %s: %w", list.Head.Key, err)
			}
			t.add(&e)
		}
		last = &foundList{place: catalogue.Place{Pack: pack, Offset: at.Offset}, entries: t.entries, bytes: t.bytes, shell: t.shell()}
		if _, _, ok := key.Path(r.Prefix, list.Head.Key); !ok {
			last.path = list.Head.Path
		}
		lastOf = listHash(list.Head.Key, list.MD5())
		return nil
	})
	if err == nil {
		keep(p.Size())
	}
	return err
}
