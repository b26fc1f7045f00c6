package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
)

// What a coordinator and a worker tell each other of one subtree: JSON, compressed. Both have the same
// version of firn, and what carries it proves who wrote it. Paths are raw bytes.

// An order is what a worker is told of a subtree that it is to save. The key is not in it: the worker
// makes it from the path.
type order struct {
	Path   []byte        `json:"path"` // below the backup path
	Shell  bool          `json:"shell,omitempty"`
	Waited bool          `json:"waited,omitempty"` // all but shells like it is saved
	Run    string        `json:"run"`              // id of the run that gets its line
	Seen   []byte        `json:"seen,omitempty"`   // what the state file says of the object; its list can be read
	Begun  *state.Upload `json:"begun,omitempty"`  // an upload of it that was begun
	// Other says that the object was not that of Seen when the run began: nothing is believed of it.
	Other bool `json:"other,omitempty"`
}

// A remark is what a worker says of an upload before it sends the first part of it.
type remark struct {
	Upload state.Upload `json:"upload"`
	Try    int          `json:"try"` // of the worker
}

// outcome says what became of a subtree on a worker.
type outcome string

const (
	wasSaved     outcome = "saved"
	wasIdentical outcome = "identical"
	wasLeftOut   outcome = "left out"
	wasPutAside  outcome = "put aside"
	wasFailed    outcome = "failed" // no host does better
)

// An answer is what a worker says of a subtree that it ended.
type answer struct {
	Outcome  outcome       `json:"outcome"`
	Entry    []byte        `json:"entry,omitempty"`   // for the state file: of the object that the store has now
	Entries  int64         `json:"entries,omitempty"` // in the archive
	Stored   int64         `json:"stored,omitempty"`  // bytes of the object, if it was uploaded
	Took     time.Duration `json:"took,omitempty"`
	Uploaded string        `json:"uploaded,omitempty"` // id of the upload that made the object
	Upload   string        `json:"upload,omitempty"`   // id of an upload that is left
	Faults   []faultSaid   `json:"faults,omitempty"`
	More     moreFaults    `json:"more,omitzero"` // faults without a place in Faults
	Events   []eventSaid   `json:"events,omitempty"`
	Counts   counts        `json:"counts,omitzero"`
	Why      []byte        `json:"why,omitempty"` // it failed
	Verdict  verdict       `json:"verdict,omitempty"`
	Kept     *KeptError    `json:"kept,omitempty"`
}

// faultSaid is an archive.Fault.
type faultSaid struct {
	Path []byte `json:"path"`
	What string `json:"what"`
	Why  []byte `json:"why"` // it names the path
	Read int64  `json:"read,omitempty"`
}

// moreFaults counts faults.
type moreFaults struct {
	Entries    int64 `json:"entries,omitempty"`
	Changed    int64 `json:"changed,omitempty"`
	Skipped    int64 `json:"skipped,omitempty"`
	Unreadable bool  `json:"unreadable,omitempty"` // there are such among Entries
}

func (m *moreFaults) add(what archive.Kind) {
	switch what {
	case archive.Changed:
		m.Changed++
	case archive.Skipped:
		m.Skipped++
	default:
		m.Entries++
		m.Unreadable = m.Unreadable || what == archive.Unreadable
	}
}

// eventSaid is a warning of one subtree.
type eventSaid struct {
	Kind    report.Kind    `json:"kind"`
	Problem report.Problem `json:"problem,omitempty"`
	Path    []byte         `json:"path,omitempty"`
	Key     string         `json:"key,omitempty"`
	Text    string         `json:"text,omitempty"`
	Why     []byte         `json:"why,omitempty"`
}

// toldFar is an error that was told on another host.
type toldFar string

func (e toldFar) Error() string { return string(e) }

// verdict names an error that no other host changes.
type verdict string

const (
	verdictKept     verdict = "kept"
	verdictChanging verdict = "changing"
	verdictEmpty    verdict = "empty"
)

// verdictOf returns the verdict in an error, "" if there is none: another host may do better.
func verdictOf(err error) (v verdict, kept *KeptError) {
	kept, is := errors.AsType[*KeptError](err)
	switch {
	case is:
		return verdictKept, kept
	case errors.Is(err, ErrChanging):
		return verdictChanging, nil
	case errors.Is(err, errEmpty):
		return verdictEmpty, nil
	}
	return "", nil
}

// err is the error of an answer of a subtree that failed.
func (a *answer) err() error {
	switch {
	case a.Verdict == verdictKept && a.Kept != nil:
		return a.Kept
	case a.Verdict == verdictChanging:
		return farError{string(a.Why), ErrChanging}
	case a.Verdict == verdictEmpty:
		return farError{string(a.Why), errEmpty}
	}
	return toldFar(a.Why)
}

// farError is an error that was told on another host, and what it wraps.
type farError struct {
	text  string
	wraps error
}

func (e farError) Error() string { return e.text }
func (e farError) Unwrap() error { return e.wraps }

// Bounds of what is said of one subtree, in bytes: the queue carries no more, and nobody makes more of
// it than that.
const (
	mostSaid   = 900 << 10
	mostUnsaid = 32 << 20 // before it is compressed
	mostWhy    = 4 << 10
)

// A compressor has a megabyte of tables, which is more work to make than a message.
var compressors = sync.Pool{New: func() any {
	zip, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
	return zip
}}

// write returns v as it is sent.
func write(v any) ([]byte, error) {
	zip := compressors.Get().(*gzip.Writer)
	defer compressors.Put(zip)
	var b bytes.Buffer
	zip.Reset(&b)
	err := errors.Join(json.NewEncoder(zip).Encode(v), zip.Close())
	return b.Bytes(), err
}

// read reads what write wrote, and nothing that has more than its bounds.
func read(body []byte, v any) error {
	if len(body) > mostSaid {
		return fmt.Errorf("a message of %d bytes, of at most %d", len(body), mostSaid)
	}
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(zip, mostUnsaid))
	if err != nil {
		return err
	}
	return hosts.Decode(text, v)
}

// message returns the answer as it is sent. What has no room is counted alone.
func (a answer) message() ([]byte, error) {
	a.Why = a.Why[:min(len(a.Why), mostWhy)]
	for {
		body, err := write(a)
		if err != nil || len(body) <= mostSaid || len(a.Faults)+len(a.Events) == 0 {
			return body, err
		}
		keep := len(a.Faults) / 2
		for _, f := range a.Faults[keep:] {
			a.More.add(archive.Kind(f.What))
		}
		a.Faults, a.Events = slices.Clip(a.Faults[:keep]), a.Events[:len(a.Events)/2]
	}
}

// storedBy makes an answer that found its archive in the store, entry, one of what this run stored, if the answer
// of who had the subtree before says that it stored this very object: then that is known, and not by the
// object's metadata.
func (a *answer) storedBy(first *answer, entry *state.Entry) {
	own, ok := state.Parse(first.Entry)
	if a.Outcome != wasIdentical || first.Outcome != wasSaved || !ok || !own.Same(entry.Record) || !own.Record.SameContent(entry.Record) {
		return
	}
	entry.Record, entry.Adopted = own.Record, false
	a.Outcome, a.Stored, a.Uploaded = wasSaved, first.Stored, first.Uploaded
}

// readAnswer reads an answer, and refuses one that can't be true.
func readAnswer(body []byte) (a answer, entry state.Entry, err error) {
	if err = read(body, &a); err != nil {
		return a, entry, fmt.Errorf("reading the answer: %w", err)
	}
	has := len(a.Entry) > 0
	if has {
		if entry, has = state.Parse(a.Entry); !has {
			return a, entry, errors.New("reading the answer: it describes no object")
		}
	}
	sound := min(a.Entries, a.Stored, a.Took.Nanoseconds(), a.More.Entries, a.More.Changed, a.More.Skipped, entry.List.Offset, entry.List.Length) >= 0 &&
		min(a.Counts.ReadAgain, a.Counts.Resumed, a.Counts.Spared, a.Counts.Aborted, a.Counts.Left) >= 0
	switch a.Outcome {
	case wasSaved:
		sound = sound && entry.Record.HMAC != "" && entry.Record.ETag != ""
	case wasIdentical:
		sound = sound && entry.Record.MD5 != ""
	case wasLeftOut, wasPutAside, wasFailed:
	default:
		sound = false
	}
	for _, f := range a.Faults {
		switch archive.Kind(f.What) {
		case archive.Changed, archive.Skipped, archive.Unreadable, archive.Truncated, archive.Vanished, archive.Bare, archive.Copied:
		default:
			sound = false
		}
	}
	for _, e := range a.Events {
		switch e.Kind {
		case report.Warning, report.Notice, report.NoCatalogue:
		default:
			sound = false
		}
	}
	if !sound {
		return a, entry, errors.New("reading the answer: it makes no sense")
	}
	return a, entry, nil
}
