package extract

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// renameNew renames, and fails with EEXIST if something is there already.
func renameNew(dirfd int, from, to string) error {
	err := fsys.Retry(func() error { return unix.Renameat2(dirfd, from, dirfd, to, unix.RENAME_NOREPLACE) })
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP { // some network file systems, FUSE
		return renameIfNone(dirfd, from, to)
	}
	return err
}

// syncfs has on the disk what was written to a file system.
func syncfs(fd int) error { return unix.Syncfs(fd) }

// writeEarly has the system begin to write a part of a file to the disk. It promises nothing.
func writeEarly(fd int, off, n int64) {
	_ = unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// syncsEach reports whether syncfs does not reach the disk: of FUSE, SMB and 9P it only knows that
// the program or server on the other side has the data.
func syncsEach(fd int) bool {
	var st unix.Statfs_t
	err := fsys.Retry(func() error { return unix.Fstatfs(fd, &st) })
	switch uint32(st.Type) {
	case unix.FUSE_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.V9FS_MAGIC:
		return true
	}
	return err != nil
}

// mkdirat makes a directory, with the sticky bit too if mode has it.
func mkdirat(dirfd int, name string, mode uint32) error {
	return fsys.Retry(func() error { return unix.Mkdirat(dirfd, name, mode) })
}

// chmodat sets the mode of anything but a symbolic link, which it does not follow.
func chmodat(dirfd int, name string, mode uint32) error {
	err := fsys.Retry(func() error { return unix.Fchmodat(dirfd, name, mode, unix.AT_SYMLINK_NOFOLLOW) })
	if err != unix.EOPNOTSUPP { // before Linux 6.6
		return err
	}
	fd, err := fsys.Open(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer fsys.CloseRead(fd)
	var st unix.Stat_t
	if err := fsys.Fstat(fd, &st); err != nil {
		return err
	}
	if fsys.Type(&st) == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	return fsys.Retry(func() error { return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode) })
}

// began returns when a process began, if that is known, and whether it has ended: proc_pid_stat(5).
func began(pid int) (at time.Time, known, ended bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return time.Time{}, false, false
	}
	const (
		state, start = 0, 19 // fields, counted from the one after the name, which may hold anything
		second       = 100   // units of start: the same on all Linux systems
	)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= start {
		return time.Time{}, false, false
	}
	ended = fields[state] == "Z" || fields[state] == "X"
	ticks, err := strconv.ParseInt(fields[start], 10, 64)
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}, false, ended
	}
	age := time.Duration(up.Nano()) - time.Duration(ticks)*(time.Second/second)
	return time.Now().Add(-age), true, ended
}

func (h handle) setXattrs(list []xattr) error {
	var errs []error
	for _, a := range list {
		err := fsys.Retry(func() error {
			if h.name == "" {
				return unix.Fsetxattr(h.fd, a.name, []byte(a.value), 0)
			}
			return unix.Lsetxattr(fsys.ProcPath(h.fd, h.name), a.name, []byte(a.value), 0)
		})
		if err != nil && a.name != attrSELinux { // see sets
			errs = append(errs, attrError(a.name, err))
		}
	}
	return errors.Join(errs...)
}

// attrError leaves out the system's own text where that would mislead: a full attribute block is no
// full disk.
func attrError(name string, err error) error {
	if err == unix.ENOSPC || err == unix.E2BIG {
		return errors.New("setting the attribute " + name + ": there is no room for it on this file system")
	}
	return doing("setting the attribute "+name, err)
}

// dropACLs removes the ACLs that a new entry inherited.
func (h handle) dropACLs() error {
	var errs []error
	for _, name := range []string{aclAccess, aclDefault} {
		var err error
		if h.name == "" {
			err = unix.Fremovexattr(h.fd, name)
		} else {
			err = unix.Lremovexattr(fsys.ProcPath(h.fd, h.name), name)
		}
		// Only directories have default ACLs: EACCES.
		if err != unix.ENODATA && err != unix.EOPNOTSUPP && err != unix.EACCES {
			errs = append(errs, doing("removing an inherited ACL", err))
		}
	}
	return errors.Join(errs...)
}

// hasXattrs says that attributes are restored on this system.
const hasXattrs = true

// takesXattrs reports whether the file system of an entry knows attributes.
func takesXattrs(at handle) bool {
	_, err := unix.Lgetxattr(fsys.ProcPath(at.fd, at.name), attrCapability, nil)
	return err != unix.EOPNOTSUPP
}

// isAdmin reports whether this process has CAP_SYS_ADMIN, which root in a container may lack.
func isAdmin() bool {
	var all [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &all[0])
	return err == nil && all[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

func hasDefaultACL(fd int) bool {
	n, err := unix.Fgetxattr(fd, aclDefault, nil)
	return err == nil && n > 0
}
