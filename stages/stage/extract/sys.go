package extract

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

func unlinkat(dirfd int, name string, flags int) error {
	return fsys.Retry(func() error { return unix.Unlinkat(dirfd, name, flags) })
}

func renameat(dirfd int, from, to string) error {
	return fsys.Retry(func() error { return unix.Renameat(dirfd, from, dirfd, to) })
}

// renameIfNone is rename that overwrites nothing, where the system has no call for that.
func renameIfNone(dirfd int, from, to string) error {
	var st unix.Stat_t
	switch err := fsys.Lstat(dirfd, to, &st); {
	case err == nil:
		return unix.EEXIST
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	return renameat(dirfd, from, to)
}

// sweep removes, once a run, what killed runs left in a directory.
func (x *Extractor) sweep(d *level) error {
	if d.node.is(swept) {
		return nil
	}
	fd, err := fsys.Open(d.fd, ".", dirFlags, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), d.name)
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(4096)
		for _, name := range names {
			if strings.HasPrefix(name, TempPrefix) && x.left(d.fd, name) && unlinkat(d.fd, name, 0) != nil {
				// A directory that holds something, or what can't be removed, is no leftover.
				_ = unlinkat(d.fd, name, unix.AT_REMOVEDIR)
			}
		}
		if err != nil || len(names) == 0 {
			// What can't be listed can't be swept, but may be written to.
			d.node.mark(swept)
			return nil
		}
	}
}

// left reports whether the process of an unfinished file has ended. A restore that runs beside this
// one keeps its files.
func (x *Extractor) left(dirfd int, name string) bool {
	if strings.HasPrefix(name, x.own) {
		return false
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(name, TempPrefix), "-")
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 || pid == os.Getpid() {
		return true
	}
	var st unix.Stat_t
	if fsys.Lstat(dirfd, name, &st) != nil {
		return false
	}
	return !lives(pid, time.Unix(int64(st.Ctim.Sec), int64(st.Ctim.Nsec)))
}

// clockSlack is how much too late a process may seem to have begun.
const clockSlack = 2 * time.Second

// lives reports whether the process that changed a file at a time still runs: neither is it a
// zombie, nor has a younger process its number.
func lives(pid int, changed time.Time) bool {
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return false
	}
	began, known, ended := began(pid)
	return !ended && (!known || !began.After(changed.Add(clockSlack)))
}
