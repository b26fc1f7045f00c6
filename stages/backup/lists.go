package backup

import (
	"context"
	"errors"
	"io"

	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/format/tarfmt"
	"firn/stages/service/report"
	"firn/stages/stage/archive"
)

// listBound is the most bytes that an entry takes in a compressed list. A name that does not compress
// may take more, but takes even more in the tar's headers.
const listBound = 320

// listing calls pack with a function that adds a member to the list of s, and ends the list.
func (b *backup) listing(s *subtree, pack func(member func(*tarfmt.Header) error) error) error {
	list, err := catalogue.NewList(s.list, s.savedPath(), s.Key)
	if err != nil {
		return err
	}
	var entry catalogue.Entry
	err = pack(func(h *tarfmt.Header) error {
		entry.SetHeader(h)
		return list.Add(&entry)
	})
	if err != nil {
		return err
	}
	return list.Close(s.record.MD5)
}

// savedPath is the path of the subtree in the catalogue.
func (s *subtree) savedPath() string { return key.Clean(s.String()) }

// relist makes the list of a subtree that did not change since its archive was made. The place is
// zero if it changes now.
func (j *journal) relist(ctx context.Context, s *subtree, md5 string) catalogue.Place {
	file, err := j.Spool.Create(ctx, j.stages.lookup, s.scan.Entries*listBound+4<<10)
	if err != nil {
		return catalogue.Place{}
	}
	again := &subtree{Subtree: s.Subtree, backup: j.backup, scan: s.scan, spool: file, list: file.Beside(), record: record.Record{MD5: md5}}
	defer again.Drop(nil)
	if err := j.listAgain(ctx, again); err != nil {
		return catalogue.Place{}
	}
	return j.addList(ctx, again, md5)
}

// errListing: the list of a subtree can't be made without reading it.
var errListing = errors.New("the subtree changed while its entries were listed")

// listAgain makes the list of s, whose archive was made earlier, from lstat data alone. It fails if the
// subtree changes now.
func (b *backup) listAgain(ctx context.Context, s *subtree) error {
	err := b.listing(s, func(member func(*tarfmt.Header) error) (err error) {
		s.result, err = b.archiver.List(ctx, b.tree, s.Subtree, archive.Observer{Member: member})
		return err
	})
	if err != nil {
		return err
	}
	if now, err := b.tree.Scan(ctx, s.Subtree); err != nil || now.Fingerprint != s.scan.Fingerprint {
		return errors.Join(errListing, err)
	}
	return nil
}

// content is plaintext that is read twice.
type content interface {
	io.ReaderAt
	Size() int64
}

// addList adds the list of s to a pack by add, as that of the stored archive, which has the MD5. The
// place is zero if there is no list.
func (b *backup) addList(s *subtree, md5 string, add func(content) (catalogue.Place, error)) (catalogue.Place, error) {
	switch {
	case s.list.Lost():
		b.book.tell(s, report.Event{
			Kind: report.Warning, Problem: report.ProblemNoList, Path: s.String(), Key: s.Key,
			Text: "the spool has no room for the list of its entries, and may have none for other lists: the archive is saved, but its entries can't be searched or compared",
		})
		return catalogue.Place{}, nil
	case md5 != s.record.MD5:
		return b.addCopy(s, md5, add)
	}
	return add(s.list)
}

// addCopy adds the list of s for a stored archive with the same tar and another MD5: it is
// compressed at another level. The copy lasts until it is in the pack, and no budget counts it: to
// wait for a share while s has one could be for ever.
func (b *backup) addCopy(s *subtree, md5 string, add func(content) (catalogue.Place, error)) (place catalogue.Place, err error) {
	file, err := b.Spool.Scratch()
	if err != nil {
		return catalogue.Place{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := catalogue.CopyList(file, io.NewSectionReader(s.list, 0, s.list.Size()), md5); err != nil {
		return catalogue.Place{}, err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return catalogue.Place{}, err
	}
	return add(io.NewSectionReader(file, 0, size))
}
