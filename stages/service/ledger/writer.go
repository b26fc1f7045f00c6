package ledger

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"firn/stages/format/catalogue"
	"firn/stages/service/spool"
)

// A Writer writes the catalogue of the run under way. Its methods may be called from many
// goroutines. After its first error every further call returns that error: nothing more is written.
type Writer struct {
	l     *Ledger
	id    string
	limit int64

	mu       sync.Mutex // what is being filled
	pack     *volume
	packs    []string // keys of those that were begun
	manifest *volume
	lines    *catalogue.ManifestWriter
	volumes  []string
	err      error

	storing sync.Mutex // one volume is stored at a time, so that there is never more than one more beside those being filled
}

// volume is a scratch file that becomes an object.
type volume struct {
	key  string
	file *os.File
	size int64
}

func (v *volume) Write(p []byte) (int, error) {
	n, err := v.file.Write(p)
	v.size += int64(n)
	if err != nil {
		err = &spool.WriteError{What: "the catalogue", Err: err}
	}
	return n, err
}

func (v *volume) ReadAt(p []byte, at int64) (int, error) { return v.file.ReadAt(p, at) }
func (v *volume) Size() int64                            { return v.size }

// Begin begins the catalogue of a run. A volume is stored when it has limit bytes, and its scratch
// file goes; there are four of them at the most.
func (l *Ledger) Begin(id string, limit int64) *Writer { return &Writer{l: l, id: id, limit: limit} }

// AddList adds a list as catalogue.ListWriter wrote it, and returns its place. The place is good
// only when Finish has ended well; one in a pack that never came to the store is not among Packs.
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
		err = w.l.seal(ctx, pack, list)
		w.storing.Unlock()
		return catalogue.Place{Pack: pack, Length: list.Size()}, w.failed(err)
	}
	full, err := w.append(list, &place)
	return place, w.filled(ctx, full, err)
}

// filled unlocks mu, and stores the volume if one is full. What would fill the next one waits until
// that begins.
func (w *Writer) filled(ctx context.Context, full *volume, err error) error {
	if full != nil {
		w.storing.Lock() // never taken by who waits for mu
	}
	w.mu.Unlock()
	if full != nil {
		err = errors.Join(err, w.store(ctx, full))
	}
	return w.failed(err)
}

func (w *Writer) nextPack() string {
	k := w.l.volumeKey(packs, w.id, len(w.packs)+1)
	w.packs = append(w.packs, k)
	return k
}

// append copies the list to the pack at hand, and returns the pack if it is full. The caller holds
// mu.
func (w *Writer) append(list content, place *catalogue.Place) (full *volume, err error) {
	if w.pack == nil {
		file, err := w.l.Scratch()
		if err != nil {
			return nil, err
		}
		w.pack = &volume{key: w.nextPack(), file: file}
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

// Add adds the line of a subtree.
func (w *Writer) Add(ctx context.Context, s catalogue.Subtree) error {
	w.mu.Lock()
	full, err := w.add(s)
	return w.filled(ctx, full, err)
}

func (w *Writer) add(s catalogue.Subtree) (full *volume, err error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.manifest == nil {
		if err := w.nextVolume(); err != nil {
			return nil, err
		}
	}
	if err := w.lines.Add(s); err != nil {
		return nil, err
	}
	if w.manifest.size < w.limit {
		return nil, nil
	}
	v, err := w.endVolume()
	if err != nil {
		return nil, errors.Join(err, v.file.Close())
	}
	return v, nil
}

func (w *Writer) nextVolume() error {
	file, err := w.l.Scratch()
	if err != nil {
		return err
	}
	number := len(w.volumes) + 1
	w.manifest = &volume{key: w.l.volumeKey(manifests, w.id, number), file: file}
	w.volumes = append(w.volumes, w.manifest.key)
	w.lines, err = catalogue.NewManifest(w.manifest, w.id, number)
	return err
}

func (w *Writer) endVolume() (*volume, error) {
	v := w.manifest
	w.manifest = nil
	return v, w.lines.Close()
}

// store seals a volume, removes its scratch file and unlocks storing, which the caller holds.
func (w *Writer) store(ctx context.Context, v *volume) error {
	defer w.storing.Unlock()
	err := w.l.seal(ctx, v.key, v)
	return errors.Join(err, v.file.Close())
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

// Finish stores what is left, and at last the run itself, to which it adds the run's id and the
// keys of what it wrote. Without an error the catalogue of the run is whole. It is called once,
// after all other calls have returned; the Writer is of no use after it.
func (w *Writer) Finish(ctx context.Context, run catalogue.Run) error {
	defer w.discard()
	if w.err != nil {
		return w.err
	}
	if w.pack != nil {
		v := w.pack
		w.pack = nil
		w.storing.Lock()
		if err := w.store(ctx, v); err != nil {
			return err
		}
	}
	if w.manifest == nil && len(w.volumes) == 0 {
		if err := w.nextVolume(); err != nil {
			return err
		}
	}
	if w.manifest != nil {
		v, err := w.endVolume()
		if err != nil {
			return errors.Join(err, v.file.Close())
		}
		w.storing.Lock()
		if err := w.store(ctx, v); err != nil {
			return err
		}
	}
	run.ID, run.Manifest, run.Packs = w.id, w.volumes, w.packs
	var b bytes.Buffer
	if err := catalogue.WriteRun(&b, run); err != nil {
		return err
	}
	return w.l.seal(ctx, w.l.runKey(w.id), bytes.NewReader(b.Bytes()))
}

// Discard gives up the catalogue of the run in place of Finish: it removes the scratch files. What
// was stored of it is named by no run.
func (w *Writer) Discard() { w.discard() }

// discard removes what an error left.
func (w *Writer) discard() {
	for _, v := range []*volume{w.pack, w.manifest} {
		if v != nil {
			_ = v.file.Close()
		}
	}
	w.pack, w.manifest = nil, nil
}
