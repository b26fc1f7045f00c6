// Package doctor looks at all that a backup needs before one needs it: the key file, the cache path,
// openssl and tar, the store, its settings and what may be done there, the table, the catalogue. It
// stores nothing. What it begins in a bucket, to see whether it may, it aborts.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/store"
)

// Options are what a backup would use. All that is not said to be may be unset.
type Options struct {
	Store     store.Store  // must be set
	Table     record.Table // nil: no table is used
	Prefix    string       // of the keys
	Path      string       // the backup path; "": any
	Keyfile   string
	AllowWeak bool // take a short passphrase
	// Passphrase is encryption.ReadPassphrase of what is in no file, in place of Keyfile; may be nil.
	Passphrase func() (*encryption.Passphrase, []string, error)
	Cache      string
	Spool      int64        // most bytes of archives in the cache path; 0 is half of what is free
	Class      string       // storage class of archives
	Format     codec.Format // must be set

	Free    func(path string) (uint64, error) // bytes that may still be written there; must be set
	Bytes   func(int64) string                // writes a number of bytes; must be set
	Scratch func() (*os.File, error)          // makes a file without a name; must be set
	Say     func(store.Finding)               // must be set; it is called from one goroutine
}

// Run looks at everything, one thing after the other, and returns how many things are wrong. An error
// is the cause of a cancelled ctx.
func Run(ctx context.Context, o Options) (wrong int, err error) {
	d := &doctor{Options: o}
	d.flow(ctx)
	return d.wrong, context.Cause(ctx)
}

// flow is the whole examination: what is on this machine first, then what is not.
func (d *doctor) flow(ctx context.Context) {
	keys := d.keyfile()
	d.cachePath()
	d.tools(ctx, keys)
	if d.examine(ctx) {
		d.rights(ctx)
		d.catalogue(ctx, keys)
	}
	d.room()
	d.table(ctx)
}

type doctor struct {
	Options
	wrong   int
	missing bool  // the key file
	largest int64 // bytes of the largest archive of the newest run; 0 if not known
}

func (d *doctor) say(f store.Finding) {
	if f.Level == store.Wrong {
		d.wrong++
	}
	d.Say(f)
}

func (d *doctor) fine(what, format string, a ...any) {
	d.say(store.Finding{What: what, Text: fmt.Sprintf(format, a...)})
}

func (d *doctor) note(what, format string, a ...any) {
	d.say(store.Finding{What: what, Level: store.Note, Text: fmt.Sprintf(format, a...)})
}

func (d *doctor) fails(what string, err error) {
	d.say(store.Finding{What: what, Level: store.Wrong, Err: err})
}

// examine asks the store how it is set up.
func (d *doctor) examine(ctx context.Context) bool {
	if e, ok := d.Store.(store.Examiner); ok {
		return e.Examine(ctx, d.say)
	}
	err := d.Store.Check(ctx, store.ToWrite)
	if err != nil {
		d.fails("store", err)
	}
	return err == nil
}

func (d *doctor) table(ctx context.Context) {
	switch e, ok := d.Table.(store.Examiner); {
	case d.Table == nil || ctx.Err() != nil:
	case ok:
		e.Examine(ctx, d.say)
	default:
		if err := d.Table.Check(ctx); err != nil {
			d.fails("table", err)
		}
	}
}

// keyfile reads the key file as a backup does, and derives the keys; nil if it can't.
func (d *doctor) keyfile() *encryption.Keys {
	const what = "key file"
	read, name := d.Passphrase, "the key file of the command"
	if read == nil {
		name = d.Keyfile
		read = func() (*encryption.Passphrase, []string, error) {
			return encryption.ReadPassphrase(d.Keyfile, encryption.KeyfileOptions{AllowWeak: d.AllowWeak})
		}
	}
	if name == "" {
		d.note(what, "none is named, so nothing that is encrypted can be looked at")
		return nil
	}
	pass, warnings, err := read()
	var keys *encryption.Keys
	if err == nil {
		keys, err = encryption.NewKeys(pass, nil)
	}
	switch {
	case errors.Is(err, os.ErrNotExist) && d.Passphrase == nil:
		d.missing = true
		d.note(what, "%s is not there: the first backup makes it if the store holds no archive", name)
		return nil
	case err != nil:
		d.fails(what, err)
		return nil
	}
	for _, w := range warnings {
		d.fails(what, errors.New(w))
	}
	private := ", and only its owner may read it"
	if d.Passphrase != nil {
		private = ""
	}
	if len(warnings) == 0 {
		d.fine(what, "%s has a passphrase that is long enough%s; keep a copy of it elsewhere", name, private)
	}
	return keys
}
