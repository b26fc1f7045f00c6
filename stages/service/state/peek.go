package state

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// Peek lists the runs that the state file in dir knows, the newest first and at most so many a store, by
// the URL of their store. isID tells the ids of runs from other names. Peek makes nothing, does not wait
// for a run that has the file open, and needs no passphrase: what it returns is proven by nothing. Errors: those of the file, and
// *fsys.NotPrivateError of a directory of others.
func Peek(dir string, most int, isID func(name string) bool) (runs map[string][]string, err error) {
	file := filepath.Join(dir, fileName)
	if err := fsys.IsPrivate(dir); err != nil {
		return nil, fmt.Errorf("state file %s: %w", file, err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	db, err := bolt.Open(file, 0, &bolt.Options{
		ReadOnly: true, Timeout: time.Nanosecond, // one try
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("opening state file %s: %w", file, err)
	}
	defer func() { _ = db.Close() }() // nothing was written
	runs = map[string][]string{}
	return runs, db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(bucket []byte, b *bolt.Bucket) error {
			store, is := strings.CutPrefix(string(bucket), memoPrefix)
			if !is {
				return nil
			}
			c := b.Cursor()
			for key, _ := c.Last(); key != nil && len(runs[store]) < most; key, _ = c.Prev() {
				if name := string(key); isID(name) {
					runs[store] = append(runs[store], name)
				}
			}
			return nil
		})
	})
}
