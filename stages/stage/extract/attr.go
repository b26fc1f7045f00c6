package extract

import (
	"archive/tar"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// attrs is what an archive says of an entry's extended attributes.
type attrs struct {
	list []xattr // but ACLs
	acls
}

type xattr struct{ name, value string }

const (
	xattrKey   = "SCHILY.xattr."
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// unescape undoes what GNU tar and package tarfmt do to names of attributes.
var unescape = strings.NewReplacer("%3D", "=", "%25", "%")

// attrName returns an attribute's name from its keyword. libarchive escapes names as in a URL, and tells so by a record of its own beside it.
func attrName(h *tar.Header, name string) string {
	if _, ok := h.PAXRecords["LIBARCHIVE.xattr."+name]; ok {
		if plain, err := url.PathUnescape(name); err == nil && strings.IndexByte(plain, 0) < 0 {
			return plain
		}
	}
	return unescape.Replace(name)
}

// attributes reads them from an entry's records. An ACL stands there as the attribute that Linux keeps it in, or as star's text, or both.
func attributes(h *tar.Header) (attrs, error) {
	var a attrs
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, xattrKey)
		if !ok {
			continue
		}
		if strings.IndexByte(name, '%') >= 0 {
			name = attrName(h, name)
		}
		switch name {
		case aclAccess:
			a.access = value
		case aclDefault:
			a.def = value
		default:
			a.list = append(a.list, xattr{name, value})
		}
	}
	var errs []error
	for _, t := range [...]struct {
		key string
		to  *string
	}{{"SCHILY.acl.access", &a.access}, {"SCHILY.acl.default", &a.def}} {
		text := h.PAXRecords[t.key]
		if text == "" || *t.to != "" {
			continue
		}
		var err error
		if *t.to, err = parseACL(text); err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", t.key, text, err))
		}
	}
	if h.PAXRecords["SCHILY.acl.ace"] != "" {
		errs = append(errs, errors.New("its NFSv4 ACL can't be set here"))
	}
	return a, errors.Join(errs...)
}

// keepID is what chown(2) takes for "as it is".
const keepID = ^uint32(0)

func ids(h *tar.Header) (uid, gid uint32, err error) {
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= int64(keepID) || int64(h.Gid) >= int64(keepID) {
		return keepID, keepID, fmt.Errorf("setting its owner: %d, %d are no ids", h.Uid, h.Gid)
	}
	return uint32(h.Uid), uint32(h.Gid), nil
}

func mode(h *tar.Header) uint32 { return uint32(h.Mode) & 0o7777 }

// owners tells whether entries get their owners.
func (x *Extractor) owners() bool { return x.root && x.o.Owners }

// dress gives a new file, by its descriptor and the mode it was made with, all but its time. What can't be done does not keep the rest from being done.
//
// The order matters: giving a file away clears setuid, setgid and capabilities. An ACL comes after the mode: where it has a mask, that is the
// mode's group bits, in a mode from stat(2); but libarchive writes another mode beside an ACL, and then the ACL says more.
func (x *Extractor) dress(fd int, d *level, h *tar.Header, made uint32) error {
	var errs []error
	if x.owners() && !(x.mine(h) && x.plain(fd, d.node)) {
		uid, gid, err := ids(h)
		if err == nil {
			err = fsys.Retry(func() error { return unix.Fchown(fd, int(uid), int(gid)) })
		}
		errs = append(errs, doing("setting its owner", err))
	}
	var a attrs
	if len(h.PAXRecords) > 0 {
		var err error
		a, err = attributes(h)
		errs = append(errs, err, setXattrs(fd, a.list))
	}
	if d.node.is(inherits) {
		errs = append(errs, dropACLs(fd))
	}
	m := mode(h)
	if m&(unix.S_ISUID|unix.S_ISGID) != 0 {
		var err error
		m, err = earned(fd, h)
		errs = append(errs, err)
	}
	if m != made || !x.exact.holds(fd, m) {
		err := fsys.Retry(func() error { return unix.Fchmod(fd, m) })
		errs = append(errs, doing("setting its mode", err))
	}
	return errors.Join(append(errs, setACLs(fd, a.acls))...)
}

// mine tells whether an entry belongs to who runs this.
func (x *Extractor) mine(h *tar.Header) bool {
	return int64(h.Uid) == int64(x.euid) && int64(h.Gid) == int64(x.egid)
}

// plain tells whether a new file in a directory belongs to who made it, user and group. It asks of the first file: there are setgid bits,
// mount options and file servers that make it otherwise.
func (x *Extractor) plain(fd int, n *node) bool {
	if !n.is(asked) {
		var st unix.Stat_t
		if fsys.Fstat(fd, &st) == nil && st.Uid == x.euid && st.Gid == x.egid {
			n.mark(ownsNew)
		}
		n.mark(asked)
	}
	return n.is(ownsNew)
}

// firstMode is the mode to make a file with: its own where nobody is to get the file who would not have it then, else one that keeps
// others out.
func (x *Extractor) firstMode(d *level, h *tar.Header) uint32 {
	if m := mode(h); m&^0o777 == 0 && !d.node.is(inherits) && (!x.owners() || x.mine(h)) {
		return m
	}
	return 0o600
}

// exactModes is the modes that open(2) has been seen to give as asked for: the umask leaves them alone.
type exactModes [512 / 64]atomic.Uint64

// holds tells whether fd, made with a mode, has it.
func (e *exactModes) holds(fd int, mode uint32) bool {
	word, bit := &e[mode/64], uint64(1)<<(mode%64)
	if word.Load()&bit != 0 {
		return true
	}
	var st unix.Stat_t
	if fsys.Fstat(fd, &st) != nil || uint32(st.Mode)&0o7777 != mode {
		return false
	}
	word.Or(bit)
	return true
}

// earned returns the mode of a file without setuid or setgid if its user or group is not the one that the bit was meant for.
// A program that ran as its owner must not come to run as somebody else.
func earned(fd int, h *tar.Header) (uint32, error) {
	m := mode(h)
	var st unix.Stat_t
	if err := fsys.Fstat(fd, &st); err != nil {
		return m &^ (unix.S_ISUID | unix.S_ISGID), doing("reading its owner", err)
	}
	if int64(st.Uid) != int64(h.Uid) {
		m &^= unix.S_ISUID
	}
	if int64(st.Gid) != int64(h.Gid) {
		m &^= unix.S_ISGID
	}
	if m != mode(h) {
		return m, fmt.Errorf("leaving off setuid or setgid (mode %04o), as its owner is %d, %d and not %d, %d", mode(h), st.Uid, st.Gid, h.Uid, h.Gid)
	}
	return m, nil
}

// dressNamed gives what is no file and no directory, by its name, all that it is to have.
func (l *layer) dressNamed(d *level, name string, e *entry) {
	var errs []error
	h := e.header
	if l.x.owners() {
		uid, gid, err := ids(h)
		if err == nil {
			err = fsys.Retry(func() error { return unix.Fchownat(d.fd, name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW) })
		}
		errs = append(errs, doing("setting its owner", err))
	}
	a, err := attributes(h)
	errs = append(errs, err, setXattrsAt(d.fd, name, a.list))
	if h.Typeflag != tar.TypeSymlink {
		if d.node.is(inherits) {
			errs = append(errs, dropACLAt(d.fd, name))
		}
		errs = append(errs, doing("setting its mode", chmodat(d.fd, name, mode(h))), setACLsAt(d.fd, name, a.acls))
	}
	errs = append(errs, setTime(d.fd, name, h.ModTime))
	if err := errors.Join(errs...); err != nil {
		l.partial(e.name, err)
	}
}

// setTime sets when name in a directory, or with "." the directory, was modified; it was read just now.
func setTime(dirfd int, name string, t time.Time) error {
	var ts [2]unix.Timespec
	for i, t := range [2]time.Time{time.Now(), t} {
		var err error
		if ts[i], err = unix.TimeToTimespec(t); err != nil {
			return doing("setting its time", err)
		}
	}
	return doing("setting its time", fsys.Retry(func() error { return unix.UtimesNanoAt(dirfd, name, ts[:], unix.AT_SYMLINK_NOFOLLOW) }))
}

func modTime(st *unix.Stat_t) time.Time { return time.Unix(st.Mtim.Unix()) }

// sameTime tells whether an entry has a time of modification, as far as its file system can keep it: to the nanosecond, or down to a unit of
// 100 ns (NTFS, SMB), 1 µs, 1 ms or 1 s.
func sameTime(st *unix.Stat_t, t time.Time) bool {
	sec, nsec := st.Mtim.Unix()
	if sec != t.Unix() {
		return false
	}
	want := int64(t.Nanosecond())
	for _, unit := range [...]int64{1, 100, 1e3, 1e6, 1e9} {
		if nsec == want-want%unit {
			return true
		}
	}
	return false
}

func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
