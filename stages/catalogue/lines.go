package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Format is the version of manifests and lists.
const Format = 1

// A Run is the first line of a manifest.
type Run struct {
	Format  int       `json:"firn_manifest"`
	ID      string    `json:"run"`
	Started time.Time `json:"started"`
	Host    string    `json:"host"`
	Firn    string    `json:"firn"` // version
	Path    string    `json:"backup_path"`
	Depth   int       `json:"depth"`
	Ext     string    `json:"ext"` // of the keys: "tar.bz2"
	Level   int       `json:"level"`
	Exclude []string  `json:"exclude,omitempty"`
}

// Status of a subtree in a run.
type Status string

// What can become of a subtree.
const (
	Saved     Status = "saved"     // its archive was uploaded
	Identical Status = "identical" // its archive was made; the store held its content already
	Unchanged Status = "unchanged" // it was not read; the store holds it
	Failed    Status = "failed"    // it was not saved; what else is said is of the object from an earlier run, if there is one
)

// A Subtree is one line of a manifest: what became of a subtree, and what is
// known of its object.
type Subtree struct {
	Path   string `json:"path"` // below the backup path; "" is the backup path itself
	Shell  bool   `json:"shell,omitempty"`
	Status Status `json:"status"`
	Error  string `json:"error,omitempty"`

	Key         string    `json:"key"`
	Version     string    `json:"version,omitempty"`
	ETag        string    `json:"etag,omitempty"`
	Class       string    `json:"class,omitempty"`
	Size        int64     `json:"size,omitempty"` // of the object, encrypted
	Stored      time.Time `json:"stored,omitzero"`
	MD5         string    `json:"md5,omitempty"`
	TarSHA256   string    `json:"tar_sha256,omitempty"`
	HMAC        string    `json:"hmac,omitempty"`
	KeyID       string    `json:"key_id,omitempty"`
	ArchiveSize int64     `json:"archive_size,omitempty"`
	TarSize     int64     `json:"tar_size,omitempty"`

	Entries int64  `json:"entries,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"` // of regular files
	List    *Place `json:"list,omitempty"`  // nil: no list is known

	Faults    []Fault `json:"faults,omitempty"`     // entries that are not in the archive as they were on disk, the first MaxFaults
	FaultsAll int64   `json:"faults_all,omitempty"` // how many there were
}

// MaxFaults is how many faults of one subtree a manifest names.
const MaxFaults = 1000

// A Fault is an entry that is not in an archive as it was on disk.
type Fault struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	Error string `json:"error"`
}

// A Place is where a list lies: a gzip member of a pack before its encryption.
type Place struct {
	Pack   string `json:"pack"`   // object key
	Offset int64  `json:"offset"` // bytes
	Length int64  `json:"length"` // bytes
}

// An End is the last line of a manifest.
type End struct {
	End      bool      `json:"end"`
	Complete bool      `json:"complete"` // the tree was walked to its end and nothing was cut short; single subtrees may have failed
	Error    string    `json:"error,omitempty"`
	Ended    time.Time `json:"ended"`
	Subtrees int64     `json:"subtrees"`
	Failed   int64     `json:"failed,omitempty"`
	Bytes    int64     `json:"bytes"`  // of regular files
	Stored   int64     `json:"stored"` // bytes uploaded in this run
}

// A ListHead is the first line of a list.
type ListHead struct {
	Format int    `json:"firn_list"`
	Key    string `json:"key"`
}

// Types of entries.
const (
	File      = "file"
	Directory = "dir"
	Symlink   = "symlink"
	Hardlink  = "hardlink"
	FIFO      = "fifo"
	CharDev   = "char"
	BlockDev  = "block"
)

// An Entry is one member of an archive.
type Entry struct {
	Path    string    `json:"path"` // as in the tar
	Type    string    `json:"type"`
	Size    int64     `json:"size,omitempty"`
	ModTime time.Time `json:"mtime"`
	Mode    string    `json:"mode"`             // permissions, set-id and sticky bits in octal, as chmod takes them
	Target  string    `json:"target,omitempty"` // of a symbolic or hard link
}

// Escape writes a path, which may hold any bytes, as a string of UTF-8.
func Escape(path string) string {
	if utf8.ValidString(path) && !strings.Contains(path, `\`) {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, path[i])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(path[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Unescape reads what Escape wrote. The error names what is not of that form.
func Unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], `\\`):
			b.WriteByte('\\')
			i++
		case len(s) >= i+4 && s[i+1] == 'x' && hex(s[i+2]) >= 0 && hex(s[i+3]) >= 0:
			b.WriteByte(byte(hex(s[i+2])<<4 | hex(s[i+3])))
			i += 3
		default:
			return "", fmt.Errorf("path %q: a backslash that begins no escape", s)
		}
	}
	return b.String(), nil
}

func hex(c byte) int { return strings.IndexByte("0123456789abcdef", c) }

// decode reads one line into v; fields it does not know are of a later version
// and ignored.
func decode(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %v: %.60q", ErrFormat, err, bytes.TrimSpace(line))
	}
	return nil
}
