// Package recovery leaves two plain objects beside the archives of a prefix, with which they can be
// opened without firn: RECOVER.txt, which says what the objects are and how to open them, and
// restore.sh, which does it.
//
// It promises never to replace an object that firn did not make, nor one of a newer firn, and that
// neither file holds anything secret: both are the same for every store.
package recovery

import (
	"bytes"
	"context"
	"crypto/md5"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"firn/stages/store"
)

// Revision is raised whenever one of the files changes, so that an older firn leaves the files of a
// newer one alone.
const Revision = 1

// The metadata that mark an object as ours: the revision, and the MD5 of what was stored, in hex.
const (
	metaRevision = "firn-recover-revision"
	metaMD5      = "firn-recover-md5"
)

// mark is in the first bytes of each file, for objects that have lost their metadata in a copy.
const (
	mark   = "firn recovery file"
	markIn = 256 // bytes from the beginning
)

var (
	//go:embed RECOVER.txt
	guide []byte
	//go:embed restore.sh
	script []byte
)

// A File is one of the two.
type File struct {
	Name string
	Body []byte // not to be changed
}

// Files returns both.
func Files() []File {
	return []File{{"RECOVER.txt", guide}, {"restore.sh", script}}
}

// Keys returns the keys of both under a prefix, which ends in a slash unless it is empty.
func Keys(prefix string) []string {
	var keys []string
	for _, f := range Files() {
		keys = append(keys, prefix+f.Name)
	}
	return keys
}

// ErrForeign: an object that firn did not make has the key of one of the files. It was left as it
// is.
var ErrForeign = errors.New("firn did not make it and leaves it as it is")

// Leave stores those of the files that the store does not hold as they are, at the keys that Keys
// returns, in a class that can be read at once. Where nothing has changed that costs a Head for
// each. One file's fault does not keep the other from being stored. Errors: ErrForeign, those of
// the store.
func Leave(ctx context.Context, s store.Store, prefix string) error {
	var errs []error
	for _, f := range Files() {
		if err := leave(ctx, s, prefix+f.Name, f.Body); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func leave(ctx context.Context, s store.Store, key string, body []byte) error {
	sum := md5.Sum(body)
	meta := map[string]string{metaRevision: strconv.Itoa(Revision), metaMD5: hex.EncodeToString(sum[:])}
	held, err := s.Head(ctx, key, "")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil {
		right, err := asWanted(ctx, s, held, meta)
		if right || err != nil {
			return err
		}
	}
	_, err = s.Put(ctx, key, body, store.PutOptions{Meta: meta, Class: store.ClassStandard, CRC32C: store.CRC32C(body)})
	return err
}

// asWanted reports whether what the store holds may stay: the file as it is to be, or a newer
// firn's. ErrForeign if it must stay.
func asWanted(ctx context.Context, s store.Store, held store.Object, meta map[string]string) (bool, error) {
	revision, err := strconv.Atoi(held.Meta[metaRevision])
	if err != nil {
		return false, marked(ctx, s, held)
	}
	same := revision == Revision && held.Meta[metaMD5] == meta[metaMD5]
	return (same || revision > Revision) && !held.Restore.Cold, nil
}

func foreign(key string) error { return fmt.Errorf("storing %s: %w", key, ErrForeign) }

// marked returns nil if an object without our metadata begins as one of the files does.
func marked(ctx context.Context, s store.Store, held store.Object) (err error) {
	if held.Restore.Cold || held.Size == 0 {
		return foreign(held.Key)
	}
	body, err := s.Get(ctx, held.Key, store.GetOptions{Version: held.Version, Length: markIn})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	first, err := io.ReadAll(io.LimitReader(body, markIn))
	if err != nil {
		return err
	}
	if !bytes.Contains(first, []byte(mark)) {
		return foreign(held.Key)
	}
	return nil
}
