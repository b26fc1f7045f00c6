package stagestest

import (
	"os"
	"slices"
	"time"

	"firn/stages/format/pick"
	"firn/stages/job"
	"firn/stages/rebuild"
	"firn/stages/restore"
	"firn/stages/verify"
)

// means are what the operations that read archives back work with.
func (r *Rig) means(keyfile string, o *Outcome) job.Means {
	r.T.Helper()
	return job.Means{
		Store: r.Store, Keys: r.Secrets(keyfile), Cache: r.Cache, PartSize: 1 << 20,
		MemoryLimit: 16 << 20, SpoolLimit: 256 << 20, Report: o, Totals: &o.Totals,
	}
}

func workers() job.Workers { return job.Workers{Fetch: 4, Decrypt: 2, Read: 2} }

// Restore restores what the patterns match, without any everything, and returns the new target.
func (r *Rig) Restore(patterns ...string) (target string, o *Outcome) {
	r.T.Helper()
	target = r.T.TempDir()
	return target, r.RestoreInto(target, r.Keyfile, patterns...)
}

// RestoreInto is Restore into a given target, with a given key file.
func (r *Rig) RestoreInto(target, keyfile string, patterns ...string) *Outcome {
	r.T.Helper()
	return r.RestoreWith(target, keyfile, func(o *restore.Options) {
		var err error
		o.Picks, err = pick.Parse(patterns)
		r.Must(err)
	})
}

// RestoreWith is a restore of everything with options changed.
func (r *Rig) RestoreWith(target, keyfile string, change func(*restore.Options)) *Outcome {
	r.T.Helper()
	root, err := os.OpenRoot(target)
	r.Must(err)
	defer root.Close()
	o := new(Outcome)
	b := restore.Options{Means: r.means(keyfile, o), Target: root, Owners: true, Workers: workers()}
	change(&b)
	h, err := restore.Start(r.T.Context(), b)
	r.Must(err)
	o.Summary = h.Wait()
	r.CheckNothingHeld(o)
	return o
}

// Verify verifies all that the store holds, at the level ReadData, and checks that the store was
// not written to.
func (r *Rig) Verify(change ...func(*verify.Options)) *Outcome {
	r.T.Helper()
	o := new(Outcome)
	v := verify.Options{Means: r.means(r.Keyfile, o), Level: verify.ReadData, Workers: workers()}
	for _, f := range change {
		f(&v)
	}
	before := r.Keys()
	h, err := verify.Start(r.T.Context(), v)
	r.Must(err)
	o.Summary = h.Wait()
	r.CheckNothingHeld(o)
	if after := r.Keys(); !slices.Equal(before, after) {
		r.T.Errorf("the store was written to: %q, before %q", after, before)
	}
	return o
}

// Rebuild rebuilds the catalogue, and reads the archives that have no list.
func (r *Rig) Rebuild(change ...func(*rebuild.Options)) *Outcome {
	r.T.Helper()
	o := new(Outcome)
	b := rebuild.Options{Means: r.means(r.Keyfile, o), ReadData: true, Workers: workers(), Host: "here", Firn: "test", Now: r.Later}
	for _, f := range change {
		f(&b)
	}
	h, err := rebuild.Start(r.T.Context(), b)
	r.Must(err)
	o.Summary = h.Wait()
	r.CheckNothingHeld(o)
	return o
}

// MustRebuild is a rebuild that must find every archive intact.
func (r *Rig) MustRebuild(change ...func(*rebuild.Options)) *Outcome {
	r.T.Helper()
	o := r.Rebuild(change...)
	if o.Err != nil || !o.Complete(&o.Totals) {
		r.T.Fatalf("rebuild: %v %v", o.Err, o.Events)
	}
	return o
}

// Later is a clock that moves on by an hour each time it is asked: the ids of runs sort by the
// second.
func (r *Rig) Later() time.Time {
	r.hours++
	return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.hours) * time.Hour)
}
