package ledger

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"firn/stages/format/catalogue"
)

// A Writer writes the catalogue of the run under way. Its methods may be called from many
// goroutines. After its first error every call returns that error, and nothing more is written.
type Writer struct {
	l      *Ledger
	id     string
	by     string // of Packs: names the process; else ""
	limit  int64
	sealed func(pack string, err error) // of Packs: is told of each pack; else nil

	mu       sync.Mutex // guards what follows
	pack     *scratch
	numbers  int      // of packs that were begun
	packs    []string // keys of those that were begun, or that Refer named
	manifest *scratch
	lines    *catalogue.ManifestWriter
	volumes  []string // keys of those that were begun
	err      error
	run      catalogue.Run // once it is stored
	step     Step          // of it

	storing sync.Mutex // one volume is stored at a time, so that at most one more is full
}

// Begin begins the catalogue of a run. A volume is stored when it has limit bytes, and its scratch
// file is removed. There are at most four scratch files.
func (l *Ledger) Begin(id string, limit int64) *Writer { return &Writer{l: l, id: id, limit: limit} }

// AddList adds a list as catalogue.ListWriter wrote it, and returns its place. The place is valid
// once Finish has returned without an error, if its pack is in Packs.
func (w *Writer) AddList(ctx context.Context, list content) (place catalogue.Place, err error) {
	w.mu.Lock()
	if w.err != nil {
		defer w.mu.Unlock()
		return catalogue.Place{}, w.err
	}
	if list.Size() >= w.limit {
		pack := w.nextPack()
		w.mu.Unlock()
		w.storing.Lock()
		err = w.seal(ctx, pack, list)
		w.storing.Unlock()
		return catalogue.Place{Pack: pack, Length: list.Size()}, w.failed(err)
	}
	full, err := w.append(list, &place)
	return place, w.unlock(ctx, full, err)
}

// seal stores a volume.
func (w *Writer) seal(ctx context.Context, key string, c content) error {
	err := w.l.seal(ctx, key, c)
	if w.sealed != nil {
		w.sealed(key, err)
	}
	return err
}

// Add adds the line of a subtree.
func (w *Writer) Add(ctx context.Context, s catalogue.Subtree) error {
	w.mu.Lock()
	full, err := w.add(s)
	return w.unlock(ctx, full, err)
}

// unlock unlocks mu and stores a full volume. The next volume can't be begun before storing is
// locked, so that no more than one waits for it. Nobody waits for mu while storing is locked.
func (w *Writer) unlock(ctx context.Context, full *scratch, err error) error {
	if full == nil {
		w.mu.Unlock()
		return w.failed(err)
	}
	w.storing.Lock()
	w.mu.Unlock()
	err = errors.Join(err, w.seal(ctx, full.key, full))
	full.Close()
	w.storing.Unlock()
	return w.failed(err)
}

func (w *Writer) nextPack() string {
	w.numbers++
	k := w.l.volumeKey(packs, w.id, w.by, w.numbers)
	w.packs = append(w.packs, k)
	return k
}

// append copies the list to the pack, and returns the pack if it is full.
func (w *Writer) append(list content, place *catalogue.Place) (full *scratch, err error) {
	if w.pack == nil {
		if w.pack, err = w.l.scratch(w.nextPack()); err != nil {
			return nil, err
		}
	}
	*place = catalogue.Place{Pack: w.pack.key, Offset: w.pack.size, Length: list.Size()}
	if _, err := io.Copy(w.pack, io.NewSectionReader(list, 0, list.Size())); err != nil {
		return nil, err
	}
	if w.pack.size >= w.limit {
		full, w.pack = w.pack, nil
	}
	return full, nil
}

// add adds the line to the manifest, and returns its volume if that is full.
func (w *Writer) add(s catalogue.Subtree) (full *scratch, err error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.manifest == nil {
		if err := w.nextVolume(); err != nil {
			return nil, err
		}
	}
	if err := w.lines.Add(s); err != nil || w.manifest.size < w.limit {
		return nil, err
	}
	if err := w.lines.Close(); err != nil {
		return nil, err
	}
	full, w.manifest = w.manifest, nil
	return full, nil
}

func (w *Writer) nextVolume() (err error) {
	number := len(w.volumes) + 1
	if w.manifest, err = w.l.scratch(w.l.volumeKey(manifests, w.id, "", number)); err != nil {
		return err
	}
	w.volumes = append(w.volumes, w.manifest.key)
	w.lines, err = catalogue.NewManifest(w.manifest, w.id, number)
	return err
}

// failed keeps the first error.
func (w *Writer) failed(err error) error {
	if err == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// Finish stores the last volumes and then the run, with its id and the keys of its volumes added.
// Without an error the catalogue of the run is complete. It is called once, after all other calls
// have returned, or again after an error, which it returns then.
func (w *Writer) Finish(ctx context.Context, run catalogue.Run) (err error) {
	defer w.Discard()
	if w.err != nil {
		return w.err
	}
	defer func() { w.err = err }()
	if w.pack != nil {
		if err := w.seal(ctx, w.pack.key, w.pack); err != nil {
			return err
		}
	}
	if len(w.volumes) == 0 {
		if err := w.nextVolume(); err != nil {
			return err
		}
	}
	if w.manifest != nil {
		if err := w.lines.Close(); err != nil {
			return err
		}
		if err := w.l.seal(ctx, w.manifest.key, w.manifest); err != nil {
			return err
		}
	}
	run.ID, run.Manifest, run.Packs = w.id, w.volumes, w.packs
	var b bytes.Buffer
	if err := catalogue.WriteRun(&b, run); err != nil {
		return err
	}
	object, mac, err := w.l.sealed(ctx, w.l.RunKey(w.id), bytes.NewReader(b.Bytes()))
	if err == nil {
		run.HMAC = mac
		w.run, w.step = run, StepOf(run).at(object)
	}
	return err
}

// Step is that of the run, once Finish has stored it.
func (w *Writer) Step() Step { return w.step }

// Run is the run, once Finish has stored it.
func (w *Writer) Run() catalogue.Run { return w.run }

// Discard ends the Writer in place of Finish: it removes the scratch files. No run names what was
// stored.
func (w *Writer) Discard() {
	for _, s := range []*scratch{w.pack, w.manifest} {
		if s != nil {
			s.Close()
		}
	}
	w.pack, w.manifest = nil, nil
}
