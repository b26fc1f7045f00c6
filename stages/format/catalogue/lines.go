package catalogue

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"firn/stages/format/record"
)

// Format is the version of all three streams.
const Format = 1

// A Run describes one run: when, where, with which flags, and how it ended.
type Run struct {
	Format  int       `json:"firn_run"`
	ID      string    `json:"run"`              // it begins with Started, to the second
	Number  int64     `json:"number,omitempty"` // higher than that of every run before it: clocks may be wrong
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Host    string    `json:"host,omitempty"`
	Firn    string    `json:"firn,omitempty"`    // version
	Rebuilt bool      `json:"rebuilt,omitempty"` // made of what the store holds, not of a tree
	Chain   *Chain    `json:"chain,omitempty"`   // nil: by a version of firn without chains

	BackupPath    string   `json:"backup_path"` // as it was given
	Path          string   `json:"path"`        // as in keys: cleaned, without a leading slash; "/" and "." are themselves
	Depth         int      `json:"depth"`
	Ext           string   `json:"ext"`   // of the keys: "tar.bz2"
	Level         int      `json:"level"` // of the compression
	Class         string   `json:"class,omitempty"`
	Exclude       []string `json:"exclude,omitempty"` // the patterns, in order
	ExcludeCaches bool     `json:"exclude_caches,omitempty"`
	OneFileSystem bool     `json:"one_file_system,omitempty"`
	ForceRead     bool     `json:"force_read,omitempty"`

	// Complete: the manifest has every subtree of the tree. Single subtrees may have failed.
	Complete bool   `json:"complete"`
	Error    string `json:"error,omitempty"` // why it is not complete

	Subtrees  int64 `json:"subtrees"` // lines of the manifest
	Saved     int64 `json:"saved"`
	Identical int64 `json:"identical"`
	Unchanged int64 `json:"unchanged"`
	Failed    int64 `json:"failed"`
	Faults    int64 `json:"faults"`            // entries that were not saved whole
	Changed   int64 `json:"changed"`           // entries that changed while they were read
	Entries   int64 `json:"entries"`           // in all subtrees
	Bytes     int64 `json:"bytes"`             // of regular files in all subtrees
	Stored    int64 `json:"stored"`            // bytes of the objects that this run uploaded
	Adopted   int64 `json:"adopted,omitempty"` // lines whose object was adopted, by this run or an earlier one

	CutFaults   []Fault  `json:"cut_faults,omitempty"`   // directories above the depth that could not be listed, the first MaxFaults
	Left        []Left   `json:"left,omitempty"`         // what is not in its archives, though no pattern excludes it: the first MaxLeft
	LeftMore    bool     `json:"left_more,omitempty"`    // there is more of that
	Retired     []string `json:"retired,omitempty"`      // of a rebuild: keys of parts of the catalogue that it took the place of, and that can't be used
	RetiredKeys []string `json:"retired_keys,omitempty"` // ids of keys that this run took the place of: all that it saved is stored again under its own
	Manifest    []string `json:"manifest"`               // keys of its volumes, in order
	Packs       []string `json:"packs,omitempty"`        // keys of the packs that this run wrote

	HMAC    string `json:"-"` // of the run's own object; set by who read it from a store
	Keyfile int    `json:"-"` // of several key files, which one it was made with; set by who read it
}

// A Chain is the place of a run among the runs of its backup path. Who can only delete or put back
// objects can't make it fit again.
type Chain struct {
	Place  int64    `json:"place"`                 // from 1; higher than that of every run that it found
	Before string   `json:"before,omitempty"`      // id of the run before it, "" if there was none
	HMAC   string   `json:"hmac_sha256,omitempty"` // of the object of that run
	Gone   []string `json:"gone,omitempty"`        // ids of runs that were gone or replaced when it began: its backup told
	Beside []string `json:"beside,omitempty"`      // ids of runs that fork the chain, and that it is not after: its backup told
	From   int64    `json:"from,omitempty"`        // place of the oldest run that it found, if older ones were gone
}

// MaxRetiredKeys is how many key ids a run retires at most.
const MaxRetiredKeys = 1000

// MaxLeft is how much of what it left out a run names.
const MaxLeft = 2000

// A Left is a part of a tree that is not in the archives that a run made, though it is below the
// backup path and no pattern excludes it. CutFaults are not repeated.
type Left struct {
	Path  string `json:"path"` // as in keys
	Why   Why    `json:"why"`
	Shell bool   `json:"shell,omitempty"` // of a failed subtree
}

// Why something was left out.
type Why string

// The reasons. Of the first two, the directory itself is in an archive.
const (
	InCache     Why = "cache"       // what is in the directory, but for its CACHEDIR.TAG
	OtherSystem Why = "file_system" // what is in the directory
	Unlisted    Why = "unlisted"    // what is in the directory, which could not be listed; it has no place in CutFaults
	Unreadable  Why = "unreadable"  // the entry, and what is below it
	Unsaved     Why = "unsaved"     // the subtree; no object of it is known
	Kept        Why = "kept"        // the subtree; its object is an earlier run's
)

// Status of a subtree in a run.
type Status string

// What can become of a subtree.
const (
	Saved     Status = "saved"     // its archive was uploaded
	Identical Status = "identical" // its archive was made; the store held its content already
	Unchanged Status = "unchanged" // it was not read; the store holds it
	Failed    Status = "failed"    // it was not saved; the object, if any, is an earlier run's
)

// A Subtree is one line of a manifest: the status of a subtree, and the metadata of its object.
type Subtree struct {
	Path   string `json:"path"` // as in keys: cleaned, without a leading slash
	Shell  bool   `json:"shell,omitempty"`
	Status Status `json:"status"`
	Error  string `json:"error,omitempty"` // why it failed

	Key         string    `json:"key"`
	Version     string    `json:"version,omitempty"` // version id, "" if the store keeps none
	ETag        string    `json:"etag,omitempty"`
	Class       string    `json:"class,omitempty"`
	ObjectSize  int64     `json:"object_size,omitempty"` // bytes, encrypted; 0 with no MD5: no object is known
	Stored      time.Time `json:"stored,omitzero"`
	MD5         string    `json:"md5,omitempty"`
	TarSHA256   string    `json:"tar_sha256,omitempty"`
	HMAC        string    `json:"hmac_sha256,omitempty"`
	KeyID       string    `json:"key_id,omitempty"`
	ArchiveSize int64     `json:"archive_size,omitempty"`
	TarSize     int64     `json:"tar_size,omitempty"`
	Adopted     bool      `json:"adopted,omitempty"` // these are the object's own metadata, and its content was never read

	// Partial: the archive lacks the content of entries that could not be read. Of a subtree that did
	// not fail, Faults names them.
	Partial bool   `json:"partial,omitempty"`
	Better  string `json:"better,omitempty"` // id of the run whose archive has some of that; "": none is known

	Entries int64  `json:"entries,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"` // of regular files
	List    *Place `json:"list,omitempty"`  // nil: no list is known

	Faults    []Fault `json:"faults,omitempty"`     // entries that are not in the archive as they were on disk, the first MaxFaults
	AllFaults int64   `json:"all_faults,omitempty"` // how many there were
}

// HasObject reports whether an object of the subtree is known.
func (s *Subtree) HasObject() bool { return s.MD5 != "" }

// Record returns what the line says of the object. A line does not say whether entries changed.
func (s *Subtree) Record() record.Record {
	r := record.Record{
		MD5: s.MD5, TarSHA256: s.TarSHA256, HMAC: s.HMAC, KeyID: s.KeyID, ArchiveSize: s.ArchiveSize, TarSize: s.TarSize,
		Version: s.Version, ETag: s.ETag, Class: s.Class, ObjectSize: s.ObjectSize, Saved: s.Stored,
	}
	if s.HMAC != "" || s.KeyID != "" {
		r.Format = record.Format
	}
	return r
}

// SetRecord makes the line say of the object what r says.
func (s *Subtree) SetRecord(r record.Record) {
	s.MD5, s.TarSHA256, s.HMAC, s.KeyID = r.MD5, r.TarSHA256, r.HMAC, r.KeyID
	s.ArchiveSize, s.TarSize = r.ArchiveSize, r.TarSize
	s.Version, s.ETag, s.Class, s.ObjectSize, s.Stored = r.Version, r.ETag, r.Class, r.ObjectSize, r.Saved.UTC()
}

// MaxFaults is how many faults of one subtree a manifest names.
const MaxFaults = 1000

// A Fault is an entry that is not in an archive as it was on disk.
type Fault struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"` // such as FaultVanished
	Error string `json:"error"`
	Read  int64  `json:"read,omitempty"` // bytes of a FaultTruncated file before the zeros
}

// Kinds of faults that readers tell apart.
const (
	FaultVanished   = "vanished"   // the entry was gone when its turn came: it is no loss
	FaultUnreadable = "unreadable" // the entry, or what is in the directory, could not be read and is missing
	FaultTruncated  = "truncated"  // the file could not be read to its end; the rest is zeros
)

// Unread returns the paths of the faults that are content that could not be read, of a line whose
// object is the one that its run made.
func (s *Subtree) Unread() (paths []string) {
	if s.Status == Failed {
		return nil
	}
	for _, f := range s.Faults {
		if f.Kind == FaultUnreadable || f.Kind == FaultTruncated {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// Truncated returns the paths of the faults, of those of Unread, of files that the archive has in part.
func (s *Subtree) Truncated() (paths []string) {
	if s.Status == Failed {
		return nil
	}
	for _, f := range s.Faults {
		if f.Kind == FaultTruncated {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// A Place is the place of a list: a gzip member of a pack before the pack's encryption.
type Place struct {
	Pack   string `json:"pack"`   // object key
	Offset int64  `json:"offset"` // bytes
	Length int64  `json:"length"` // bytes
}

// An Owner stands for the archive that a list is of, in few bytes: for its key and its MD5. A list
// whose Owner is not that of a subtree's line is not the list of that subtree.
type Owner struct{ key, md5 uint64 }

// OwnerOf returns the Owner of an archive.
func OwnerOf(key, md5 string) Owner { return Owner{short(key), short(md5)} }

// Owner returns the Owner of the subtree's archive.
func (s *Subtree) Owner() Owner { return OwnerOf(s.Key, s.MD5) }

func short(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:])
}

// A ListHead is the first line of a list.
type ListHead struct {
	Format int    `json:"firn_list"`
	Path   string `json:"path"` // of the subtree, as in keys
	Key    string `json:"key"`  // of its object
}

// Types of entries.
const (
	File      = "file"
	Directory = "dir"
	Symlink   = "symlink"
	Hardlink  = "hardlink" // another name of an earlier member
	FIFO      = "fifo"
	CharDev   = "char"
	BlockDev  = "block"
)

// An Entry is one member of an archive.
type Entry struct {
	Path    string    `json:"path"` // as in the tar, without a trailing slash: begins at the base name of the subtree's path
	Type    string    `json:"type"`
	Size    int64     `json:"size,omitempty"` // bytes of a regular file, holes included
	ModTime time.Time `json:"mtime"`          // UTC
	Mode    string    `json:"mode"`           // permissions, set-id and sticky bits in octal, as chmod takes them
	UID     uint32    `json:"uid,omitempty"`
	GID     uint32    `json:"gid,omitempty"`
	Target  string    `json:"target,omitempty"` // of a symbolic link; of a hard link, a path as in the tar
	Attrs   bool      `json:"attrs,omitempty"`  // it has extended attributes or ACLs
}

// manifestHead is the first line of a volume of a manifest.
type manifestHead struct {
	Format int    `json:"firn_manifest"`
	Run    string `json:"run"`
	Volume int    `json:"volume"` // from 1
}

// An end is the last line of a volume or a list.
type end struct {
	End   bool   `json:"end"`
	Lines int64  `json:"lines"` // between the first and this one
	MD5   string `json:"md5,omitempty"`
}
