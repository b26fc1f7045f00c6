package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/store"
)

// A Ledger is the catalogue of one prefix. All fields must be set, but Prefix. Its methods may be
// called from many goroutines.
type Ledger struct {
	Store  store.Store
	Prefix string // as the user gives it
	Keys   *encryption.Keys
	// Scratch makes a file for plaintext, without a name and gone when it is closed.
	Scratch func() (*os.File, error)
}

const (
	runs      = "runs/"
	manifests = "manifests/"
	packs     = "lists/"

	runSuffix    = ".json.gz"
	volumeSuffix = ".jsonl.gz"
)

// Dir is what the keys of the catalogue of a prefix begin with.
func Dir(prefix string) string { return key.Prefix(prefix) + ".firn/" }

// RunKey is the key of a run itself.
func (l *Ledger) RunKey(id string) string { return Dir(l.Prefix) + runs + id + runSuffix }

// volumeKey is the key of a volume of a run, which the process by wrote; "": the one whose run it is.
func (l *Ledger) volumeKey(kind, id, by string, number int) string {
	return fmt.Sprintf("%s%s%s-%s%03d%s", Dir(l.Prefix), kind, id, by, number, volumeSuffix)
}

// kind is the directory of an object of the catalogue of any prefix: runs, manifests or packs. That of
// what lies elsewhere, or deeper, is another or "".
func kind(key string) string {
	names := strings.Split(key, "/")
	if n := len(names); n > 2 && names[n-3] == ".firn" {
		return names[n-2] + "/"
	}
	return ""
}

// Has reports whether a key is that of an object of this catalogue: a run, a manifest or a pack. Who
// may write to the store can put copies of them deeper.
func (l *Ledger) Has(key string) bool {
	name, below := strings.CutPrefix(key, Dir(l.Prefix))
	return below && strings.Count(name, "/") == 1
}

// IsRun reports whether an object of the catalogue is a run itself.
func IsRun(key string) bool { return kind(key) == runs && strings.HasSuffix(key, runSuffix) }

// IsPack reports whether an object of the catalogue is a pack.
func IsPack(key string) bool { return kind(key) == packs }

// RunOf returns the id of the run that an object of the catalogue belongs to, or "".
func RunOf(key string) string {
	name := path.Base(key)
	switch kind(key) {
	case runs:
		id, _ := strings.CutSuffix(name, runSuffix)
		return id
	case manifests, packs:
		if i := strings.LastIndexByte(name, '-'); i > 0 && strings.HasSuffix(name, volumeSuffix) {
			return name[:i]
		}
	}
	return ""
}

// NewID returns an id for a run. Ids sort by the start, to the second.
func NewID(started time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return started.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// IsID reports whether a text has the form of a run's id.
func IsID(text string) bool {
	start, random, _ := strings.Cut(text, "-")
	_, notTime := time.Parse("20060102T150405Z", start)
	b, notHex := hex.DecodeString(random)
	return notTime == nil && notHex == nil && len(b) == 4
}

// IsNewer compares ids of runs by the start, to the second: the rest of an id is random.
func IsNewer(id, than string) bool {
	a, _, _ := strings.Cut(id, "-")
	b, _, _ := strings.Cut(than, "-")
	return a > b
}

// Volumes returns the keys of all objects of the catalogue in the store.
func (l *Ledger) Volumes(ctx context.Context) (map[string]bool, error) {
	keys := map[string]bool{}
	return keys, l.Store.List(ctx, Dir(l.Prefix), func(o store.Object) error {
		if l.Has(o.Key) {
			keys[o.Key] = true
		}
		return nil
	})
}

// Clean aborts the unfinished uploads to the catalogue that are older than age, and returns how many. A
// younger one may be that of a live run over another tree.
func (l *Ledger) Clean(ctx context.Context, age time.Duration) (aborted int, err error) {
	dir := Dir(l.Prefix)
	err = l.Store.Uploads(ctx, dir, func(u store.PendingUpload) error {
		if !strings.HasPrefix(u.Key, dir) || u.Age < age {
			return nil
		}
		if err := l.Store.AbortUpload(ctx, u.Key, u.ID); err != nil {
			return err
		}
		aborted++
		return nil
	})
	return aborted, err
}

// ErrDamaged: an object of the catalogue is not what was written.
var ErrDamaged = errors.New("this part of the catalogue is not what was written")

// A MisplacedError is the number of lists that runs look for in a pack, and that are not there.
type MisplacedError int

func (n MisplacedError) Error() string {
	return fmt.Sprintf("lists that are not where the runs say: %d", int(n))
}

// Is reports that it is damage.
func (MisplacedError) Is(target error) bool { return target == ErrDamaged }

// IsDamage reports whether an object of the catalogue exists and can't be used: it is damaged, or
// of an unknown form.
func IsDamage(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, catalogue.ErrFormat) || errors.Is(err, catalogue.ErrCutShort)
}
