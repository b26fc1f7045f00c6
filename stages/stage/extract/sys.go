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
	err := x.remove(d.fd, func(name string) bool { return strings.HasPrefix(name, TempPrefix) && x.left(d.fd, name) })
	if err == nil {
		d.node.mark(swept)
	}
	return err
}

// remove removes leftovers from a directory, by their names. What can't be listed can't be swept, but
// may be written to.
func (x *Extractor) remove(dirfd int, leftover func(name string) bool) error {
	fd, err := fsys.Open(dirfd, ".", dirFlags, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), ".")
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(4096)
		for _, name := range names {
			if leftover(name) && unlinkat(dirfd, name, 0) != nil {
				// A directory that holds something, or what can't be removed, is no leftover.
				_ = unlinkat(dirfd, name, unix.AT_REMOVEDIR)
			}
		}
		if err != nil || len(names) == 0 {
			return nil
		}
	}
}

// left reports whether the process of an unfinished file has ended. A restore that runs beside this
// one keeps its files, and so do all hosts of a run.
func (x *Extractor) left(dirfd int, name string) bool {
	if strings.HasPrefix(name, x.own) || x.o.Run != "" && strings.HasPrefix(name, ofRun(x.o.Run)) {
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
