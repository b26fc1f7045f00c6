// Package recovery stores two files beside the archives of a prefix that show how to open them
// without firn: RECOVER.txt explains it, and restore.sh does it.
//
// It never replaces an object that firn did not make, nor one of a newer firn. Both files are the
// same for every store and hold no secret.
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
	"time"

	"firn/stages/store"
)

// Revision is raised when one of the files changes, so that an older firn does not replace the
// files of a newer one.
const Revision = 3

const (
	metaRevision = "firn-recover-revision"
	metaMD5      = "firn-recover-md5" // of the file, in hex

	// mark is in the first bytes of each file, for objects that lost their metadata in a copy.
	mark   = "firn recovery file"
	markIn = 256 // bytes from the beginning
)

var (
	//go:embed RECOVER.txt
	guide []byte
	//go:embed restore.sh
	script []byte
)

// A File is one of the two files.
type File struct {
	Name string
	Body []byte // read-only
}

// Files returns both files.
func Files() []File {
	return []File{{"RECOVER.txt", guide}, {"restore.sh", script}}
}

// ErrForeign: an object that firn did not make has the key of one of the files. It is not replaced.
var ErrForeign = errors.New("firn did not make it and leaves it as it is")

// Leave stores those of the files that the store does not hold, below a prefix that ends in a slash
// or is empty, in a class that can be read at once. If nothing is to be done it costs a Head for
// each file. Both files are tried. Errors: ErrForeign, those of the store.
func Leave(ctx context.Context, s store.Store, prefix string) (err error) {
	for _, f := range Files() {
		err = errors.Join(err, leave(ctx, s, prefix+f.Name, f.Body))
	}
	return err
}

func leave(ctx context.Context, s store.Store, key string, body []byte) error {
	sum := md5.Sum(body)
	meta := map[string]string{metaRevision: strconv.Itoa(Revision), metaMD5: hex.EncodeToString(sum[:])}
	held, err := s.Head(ctx, key, "")
	if err == nil {
		var current bool
		if current, err = isCurrent(ctx, s, held, meta[metaMD5]); current {
			return nil
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = s.Put(ctx, key, body, store.PutOptions{Meta: meta, Class: store.ClassStandard, CRC32C: store.CRC32C(body)})
	return err
}

// abandoned is the age at which an unfinished upload is taken for a dead run's. A live run over
// another tree may store the files too, which takes seconds.
const abandoned = 24 * time.Hour

// Clean aborts the uploads of the files that dead runs left unfinished, and returns how many. Only a
// directory store has some.
func Clean(ctx context.Context, s store.Store, prefix string) (aborted int, err error) {
	for _, f := range Files() {
		err = errors.Join(err, s.Uploads(ctx, prefix+f.Name, func(u store.PendingUpload) error {
			if u.Key != prefix+f.Name || u.Age < abandoned {
				return nil
			}
			aborted++
			return s.AbortUpload(ctx, u.Key, u.ID)
		}))
	}
	return aborted, err
}

// isCurrent reports whether the store holds the file with this MD5, or a newer firn's. ErrForeign
// if firn did not make the object.
func isCurrent(ctx context.Context, s store.Store, held store.Object, md5 string) (bool, error) {
	revision, err := strconv.Atoi(held.Meta[metaRevision])
	if err != nil {
		return false, marked(ctx, s, held)
	}
	same := revision == Revision && held.Meta[metaMD5] == md5
	return (same || revision > Revision) && !held.Restore.Cold, nil
}

// marked returns ErrForeign unless an object without our metadata has the mark.
func marked(ctx context.Context, s store.Store, held store.Object) (err error) {
	foreign := fmt.Errorf("storing %s: %w", held.Key, ErrForeign)
	if held.Restore.Cold || held.Size == 0 {
		return foreign
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
		return foreign
	}
	return nil
}
