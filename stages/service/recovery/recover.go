// Package recovery stores two files beside the archives of a prefix that show how to open them
// without firn: RECOVER.txt explains it, and restore.sh does it.
//
// It never replaces an object that firn did not make, nor one of a newer firn, and says so: whoever
// runs another's script gives it the key file. Both files are the same for every store and hold no
// secret.
package recovery

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/store"
)

// Revision is raised when one of the files changes, so that an older firn does not replace the
// files of a newer one.
const Revision = 4

const (
	metaRevision = "firn-recover-revision"
	metaMD5      = "firn-recover-md5"         // of the file, in hex
	metaHMAC     = "firn-recover-hmac-sha256" // over key and file, as that of an archive
	metaKeyID    = "firn-recover-key-id"      // of the key file that it was made with

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

// SHA256 is the sum of the file, in hex.
func (f File) SHA256() string { return sumOf(f.Body) }

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// earlier are the SHA-256 of files of earlier revisions: an upgrade replaces them without a word.
var earlier = map[string]bool{
	"a7be56c47eadd55624d2eda5888376fe5fcd305cfd9efd5d6d2ab2195ca8ab6a": true, // RECOVER.txt, 3
	"e4f675cba21e58301c4ace5b56d5be502b2a83faa4768c2e7c3495d7e238aae6": true, // restore.sh, 3
}

// State is what a store holds in place of a file.
type State int

// The states.
const (
	Current State = iota // the file, byte for byte
	Earlier              // that of an earlier revision, byte for byte
	Missing
	Different // it says that it is firn's, and is not what firn stored
	Foreign   // it does not say that it is firn's
	Newer     // of a higher revision, of which this firn knows nothing: a firn with this key file stored it
)

// A Finding is what a store holds in place of a file. As an error it is for all States but
// Current and Earlier.
type Finding struct {
	Key   string
	State State

	revision int
	marked   bool // its metadata say that it is firn's
}

func (f *Finding) Error() string {
	const danger = "; do not run the copy that is stored there: a forged script can pass on the key file"
	switch f.State {
	case Missing:
		return "it is missing, and the next backup stores it"
	case Foreign:
		return "firn did not make this object, and leaves it as it is" + danger
	case Newer:
		return fmt.Sprintf("a newer firn stored it (revision %d): only that can compare it", f.revision)
	}
	return "it is not what firn stored: somebody replaced it, or it is damaged" + danger
}

// Leave stores those of the files that the store does not hold byte for byte, below a prefix that
// ends in a slash or is empty, in a class that can be read at once. It returns what it found of
// State Different (and replaced), Foreign and Newer (and left as it is). If nothing is to be done it
// costs a Head and a Get for each file. Both files are tried. Errors: those of the store.
func Leave(ctx context.Context, s store.Store, prefix string, keys *encryption.Keys) (suspects []*Finding, err error) {
	files := Files()
	found, errs := make([]*Finding, len(files)), make([]error, len(files))
	var g sync.WaitGroup // each waits for round trips
	for i, f := range files {
		g.Go(func() { found[i], errs[i] = leave(ctx, s, prefix, f, keys) })
	}
	g.Wait()
	for _, f := range found {
		if f != nil && f.State > Missing {
			suspects = append(suspects, f)
		}
	}
	return suspects, errors.Join(errs...)
}

// leave is Leave for one file. It returns nothing if it could not be looked at, or not be put.
func leave(ctx context.Context, s store.Store, prefix string, f File, keys *encryption.Keys) (*Finding, error) {
	found, err := look(ctx, s, prefix, f, keys)
	if err == nil && found.State != Foreign && found.State != Newer && (found.State != Current || !found.marked) {
		err = put(ctx, s, found.Key, f.Body, keys)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Check returns what the store holds in place of the files, and stores nothing. Errors: those of the
// store; what could be looked at is returned all the same.
func Check(ctx context.Context, s store.Store, prefix string, keys *encryption.Keys) (all []*Finding, err error) {
	for _, f := range Files() {
		found, e := look(ctx, s, prefix, f, keys)
		if e == nil {
			all = append(all, found)
		}
		err = errors.Join(err, e)
	}
	return all, err
}

func put(ctx context.Context, s store.Store, key string, body []byte, keys *encryption.Keys) error {
	sum := md5.Sum(body)
	meta := map[string]string{
		metaRevision: strconv.Itoa(Revision), metaMD5: hex.EncodeToString(sum[:]), metaHMAC: macOf(keys, key, body), metaKeyID: keys.ID(),
	}
	_, err := s.Put(ctx, key, body, store.PutOptions{Meta: meta, Class: store.ClassStandard, CRC32C: store.CRC32C(body)})
	return err
}

func macOf(keys *encryption.Keys, key string, body []byte) string {
	mac := keys.MAC(key)
	_, _ = mac.Write(body) // a hash.Hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// isProven reports whether a firn with this key file stored the object.
func isProven(keys *encryption.Keys, held store.Object, body []byte) bool {
	its, err := keys.ForID(held.Meta[metaKeyID])
	return err == nil && hmac.Equal([]byte(macOf(its, held.Key, body)), []byte(held.Meta[metaHMAC]))
}

// look compares what the store holds with the file. Metadata decide what may be replaced, and never
// that an object is the file.
func look(ctx context.Context, s store.Store, prefix string, f File, keys *encryption.Keys) (*Finding, error) {
	found := &Finding{Key: prefix + f.Name}
	held, err := s.Head(ctx, found.Key, "")
	if errors.Is(err, store.ErrNotFound) {
		found.State = Missing
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	body, err := content(ctx, s, held)
	if err != nil {
		return nil, err
	}
	found.revision, err = strconv.Atoi(held.Meta[metaRevision])
	found.marked = err == nil
	first := body[:min(len(body), markIn)]
	switch sum := sumOf(body); {
	case held.Restore.Cold && found.revision <= Revision && found.marked:
		found.State = Different // its class
	case sum == f.SHA256():
	case found.revision > Revision && isProven(keys, held, body):
		found.State = Newer
	case earlier[sum]:
		found.State = Earlier
	case found.marked || bytes.Contains(first, []byte(mark)):
		found.State = Different
	default:
		found.State = Foreign
	}
	return found, nil
}

// longest is more than any revision of a file has, in bytes.
const longest = 64 << 10

// content reads an object, a byte more than longest at most, and nothing of one that is cold.
func content(ctx context.Context, s store.Store, held store.Object) (_ []byte, err error) {
	if held.Restore.Cold || held.Size == 0 {
		return nil, nil
	}
	r, err := s.Get(ctx, held.Key, store.GetOptions{Version: held.Version, ETag: held.ETag, Length: min(held.Size, longest+1)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(io.LimitReader(r, longest+1))
}

// Clean aborts the unfinished uploads of the files that are older than age, and returns how many. Only
// a directory store has some. A younger one may be that of a live run over another tree.
func Clean(ctx context.Context, s store.Store, prefix string, age time.Duration) (aborted int, err error) {
	for _, f := range Files() {
		err = errors.Join(err, s.Uploads(ctx, prefix+f.Name, func(u store.PendingUpload) error {
			if u.Key != prefix+f.Name || u.Age < age {
				return nil
			}
			aborted++
			return s.AbortUpload(ctx, u.Key, u.ID)
		}))
	}
	return aborted, err
}
