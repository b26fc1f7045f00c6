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

// attrs are the extended attributes that an archive has for an entry.
type attrs struct {
	list []xattr // but ACLs
	acls
}

type xattr struct{ name, value string }

const (
	xattrKey   = "SCHILY.xattr."
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"

	attrSELinux    = "security.selinux"
	attrCapability = "security.capability"
)

// unescape undoes what GNU tar and package tarfmt do to names of attributes.
var unescape = strings.NewReplacer("%3D", "=", "%25", "%")

// attrName returns an attribute's name from its keyword. libarchive escapes names as in a URL, and
// marks that with a record of its own beside it.
func attrName(h *tar.Header, name string) string {
	if _, ok := h.PAXRecords["LIBARCHIVE.xattr."+name]; ok {
		if plain, err := url.PathUnescape(name); err == nil && strings.IndexByte(plain, 0) < 0 {
			return plain
		}
	}
	return unescape.Replace(name)
}

// attributes reads the attributes in an entry's records. An ACL is there as the attribute that
// Linux keeps it in, or as star's text, or both.
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
	fromText := func(key string, to *string) (err error) {
		if text := h.PAXRecords[key]; text != "" && *to == "" {
			if *to, err = parseACL(text); err != nil {
				err = fmt.Errorf("%s %q: %w", key, text, err)
			}
		}
		return err
	}
	err := errors.Join(fromText("SCHILY.acl.access", &a.access), fromText("SCHILY.acl.default", &a.def))
	if h.PAXRecords["SCHILY.acl.ace"] != "" {
		err = errors.Join(err, errors.New("its NFSv4 ACL can't be set here"))
	}
	return a, err
}

// keepID is what chown(2) takes for "as it is".
const keepID = ^uint32(0)

func ids(h *tar.Header) (uid, gid uint32, err error) {
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= int64(keepID) || int64(h.Gid) >= int64(keepID) {
		return keepID, keepID, fmt.Errorf("setting its owner: %d, %d are no ids", h.Uid, h.Gid)
	}
	return uint32(h.Uid), uint32(h.Gid), nil
}

// perm returns the low twelve bits of st_mode.
func perm(st *unix.Stat_t) uint32 { return uint32(st.Mode) & 0o7777 }

func mode(h *tar.Header) uint32 { return uint32(h.Mode) & 0o7777 }

// owners reports whether entries get their owners.
func (x *Extractor) owners() bool { return x.root && x.o.Owners }

// handle is an open entry or, with a name, the entry of that name in an open directory. A link is
// not followed.
type handle struct {
	fd   int
	name string
}

func (h handle) chown(uid, gid uint32) error {
	return doing("setting its owner", fsys.Retry(func() error {
		if h.name == "" {
			return unix.Fchown(h.fd, int(uid), int(gid))
		}
		return unix.Fchownat(h.fd, h.name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW)
	}))
}

func (h handle) chmod(mode uint32) error {
	if h.name != "" {
		return doing("setting its mode", chmodat(h.fd, h.name, mode))
	}
	return doing("setting its mode", fsys.Retry(func() error { return unix.Fchmod(h.fd, mode) }))
}

// setAttributes sets all but the time of a new entry in d, made with the mode made. An error does
// not keep the rest from being set.
//
// The order matters: chown clears setuid, setgid and capabilities. An ACL comes after the mode:
// libarchive writes a mode whose group bits are not the ACL's mask, and then the ACL says more.
func (x *Extractor) setAttributes(at handle, d *level, h *tar.Header, made uint32) error {
	var errs []error
	isFile := at.name == ""
	if x.owners() && !(isFile && x.mine(h) && x.plain(at.fd, d.node)) {
		uid, gid, err := ids(h)
		if err == nil {
			err = at.chown(uid, gid)
		}
		errs = append(errs, err)
	}
	a, err := attributes(h)
	errs = append(errs, err, at.setXattrs(a.list))
	if h.Typeflag == tar.TypeSymlink { // has neither mode nor ACL
		return errors.Join(errs...)
	}
	if d.node.is(inherits) {
		errs = append(errs, at.dropACLs())
	}
	m := mode(h)
	if isFile && m&(unix.S_ISUID|unix.S_ISGID) != 0 {
		m, err = earned(at.fd, h)
		errs = append(errs, err)
	}
	if !isFile || m != made || !x.exact.holds(at.fd, m) {
		errs = append(errs, at.chmod(m))
	}
	return errors.Join(append(errs, at.setXattrs(a.acls.list()))...)
}

// mine reports whether an entry belongs to who runs this.
func (x *Extractor) mine(h *tar.Header) bool {
	return int64(h.Uid) == int64(x.euid) && int64(h.Gid) == int64(x.egid)
}

// plain reports whether a new file in a directory belongs to who made it, user and group; setgid
// bits, mount options and file servers may change that. Only the first file is looked at.
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

// firstMode is the mode to make a file with: its own where that gives nobody access who is not to
// have it in the end, else one that keeps others out.
func (x *Extractor) firstMode(d *level, h *tar.Header) uint32 {
	if m := mode(h); m&^0o777 == 0 && !d.node.is(inherits) && (!x.owners() || x.mine(h)) {
		return m
	}
	return 0o600
}

// exactModes are the modes that open(2) has been seen to give as asked for, whatever the umask.
type exactModes [512 / 64]atomic.Uint64

// holds reports whether fd, made with a mode, has it.
func (e *exactModes) holds(fd int, mode uint32) bool {
	word, bit := &e[mode/64], uint64(1)<<(mode%64)
	if word.Load()&bit != 0 {
		return true
	}
	var st unix.Stat_t
	if fsys.Fstat(fd, &st) != nil || perm(&st) != mode {
		return false
	}
	word.Or(bit)
	return true
}

// earned returns the mode of a file, without setuid or setgid if its user or group is not the one
// in the archive: a program must not run as somebody else.
func earned(fd int, h *tar.Header) (uint32, error) {
	m := mode(h)
	var st unix.Stat_t
	if err := fsys.Fstat(fd, &st); err != nil {
		return m &^ (unix.S_ISUID | unix.S_ISGID), doing("reading its owner", err)
	}
	if m &^= unearned(h, &st); m != mode(h) {
		return m, fmt.Errorf("leaving off setuid or setgid (mode %04o), as its owner is %d, %d and not %d, %d",
			mode(h), st.Uid, st.Gid, h.Uid, h.Gid)
	}
	return m, nil
}

// unearned are the bits of setuid and setgid whose user or group is not the one in the archive.
func unearned(h *tar.Header, st *unix.Stat_t) (bits uint32) {
	if int64(st.Uid) != int64(h.Uid) {
		bits |= unix.S_ISUID
	}
	if int64(st.Gid) != int64(h.Gid) {
		bits |= unix.S_ISGID
	}
	return bits
}

// sets reports whether who runs this can set an attribute.
func (x *Extractor) sets(name string) bool {
	switch {
	case name == attrSELinux: // a system's own policy may label what firn can't
		return false
	case name == attrCapability:
		return x.root
	case strings.HasPrefix(name, "security."), strings.HasPrefix(name, "trusted."):
		return x.admin
	}
	return true
}

// setTime sets the time of modification of name in a directory, or with "." of the directory, and
// the time of access to now.
func setTime(dirfd int, name string, t time.Time) error {
	modified, err := unix.TimeToTimespec(t)
	if err == nil {
		ts := []unix.Timespec{unix.NsecToTimespec(time.Now().UnixNano()), modified}
		err = fsys.Retry(func() error { return unix.UtimesNanoAt(dirfd, name, ts, unix.AT_SYMLINK_NOFOLLOW) })
	}
	return doing("setting its time", err)
}

// sameTime reports whether an entry has a time of modification, as far as its file system can keep
// it: to the nanosecond, or cut to a unit of 100 ns (NTFS, SMB), 1 µs, 1 ms or 1 s.
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
