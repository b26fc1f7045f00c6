// Package bench measures what a backup of a tree would be limited by: this machine, this tree and
// the link to a store. All that it tells as measured was measured by the same run; what follows from
// it is told as projected, and by a model that the whole pipeline's own measurement calibrates.
//
// It knows no other operation: who calls it gives it the pipeline. It stores no object. What it
// begins to upload it aborts, however it ends.
package bench

import (
	"context"
	"errors"
	"runtime"
	"time"

	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
	"firn/stages/stage/sample"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// Options say what is measured.
type Options struct {
	Path      string        // must be set
	Walk      walk.Options  // as for the backup
	Settings  Settings      // all but Algorithm and Level, which are Format's
	Format    codec.Format  // must be set
	AllLevels bool          // measure each level of each codec, not some of them
	Time      time.Duration // about so long; more if something is so slow that it has no spread else

	Store  store.Store // where the link leads; nil: it is not measured
	Prefix string      // of the keys, as the user gives it
	Class  string      // storage class
	Most   Most        // of the upload
	// Backup starts a backup of the tree into a store that keeps nothing; nil: it is not measured.
	Backup func(ctx context.Context) (Rehearsal, error)

	Firn, Host string
	Doing      func(what string) // is told what is measured next; may be nil
}

// A Rehearsal is a backup that is measured.
type Rehearsal struct {
	Progress func() report.Progress
	Stop     func()       // ends it at once
	Wait     func() error // waits for its end, and returns what went wrong; nil if it was stopped
	Close    func() error // removes what it made; called after Wait
}

// Most bounds an upload: its time is bounded, and how much a link takes in that time is not known
// before.
type Most struct {
	Parts       int // also uploads count as one
	Connections int
}

// shares of the time that parts of the measurement take at most. What one leaves is not used.
const (
	walkShare   = 0.08
	readShare   = 0.10
	codecShare  = 0.35
	scaleShare  = 0.08
	sumShare    = 0.04
	uploadShare = 0.25
	backupShare = 0.15
)

// bench is a run.
type bench struct {
	Options
	result *Result
	tree   *walk.Tree
	census *sample.Census
	pieces [][]byte
}

// Run measures. Its error is why there is no result: a tree that can't be walked, or ctx's cause.
// What else could not be measured is in the result.
func Run(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	b := &bench{Options: o, result: &Result{
		Version: Version, Made: start.UTC().Truncate(time.Second), Firn: o.Firn, Host: o.Host, System: runtime.GOOS + "/" + runtime.GOARCH,
		Cores: runtime.GOMAXPROCS(0), Settings: o.Settings,
	}}
	s := &b.result.Settings
	s.Algorithm, s.Level = o.Format.Name(), o.Format.Level()
	if err := b.flow(ctx); err != nil {
		return nil, err
	}
	b.result.Seconds = time.Since(start).Seconds()
	return b.result, nil
}

// flow is the whole measurement: what is alone first, then what works together.
func (b *bench) flow(ctx context.Context) (err error) {
	if b.tree, err = walk.Open(b.Path, b.Walk); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.tree.Close()) }()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"walking the tree", b.walk},
		{"reading files", b.read},
		{"choosing a sample", b.sample},
		{"compressing the sample", b.codecs},
		{"compressing with several workers", b.scale},
		{"hashing and encrypting", b.sums},
		{uploading, b.link},
		{"backing up into nothing", b.backup},
	} {
		if b.Doing != nil && (step.what != uploading || b.Store != nil) {
			b.Doing(step.what)
		}
		if err := step.do(ctx); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// uploading is the step that is left out without a store.
const uploading = "uploading"

// share is a part of the time.
func (b *bench) share(part float64) time.Duration { return time.Duration(part * float64(b.Time)) }

// missing notes what could not be measured.
func (b *bench) missing(what string, err error) {
	b.result.Missing = append(b.result.Missing, Missing{What: what, Why: err.Error(), Err: err})
}

// passphrase is for what is encrypted here, and thrown away.
func passphrase() *encryption.Passphrase {
	return encryption.NewPassphrase([]byte("nothing that is encrypted with this is kept"))
}

var errNothing = errors.New("the tree has nothing to read")
