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

func symlinkat(target string, dirfd int, name string) error {
	return fsys.Retry(func() error { return unix.Symlinkat(target, dirfd, name) })
}

func renameat(dirfd int, from, to string) error {
	return fsys.Retry(func() error { return unix.Renameat(dirfd, from, dirfd, to) })
}

// renameIfNone is rename for what must not be overwritten, where the system has no call for that.
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

// sweep removes from a directory what killed runs left there, once a run.
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
			if strings.HasPrefix(name, TempPrefix) && x.left(d.fd, name) {
				// If it is a directory, or can't be removed, it is not what it seems, and harms nobody.
				_ = unlinkat(d.fd, name, 0)
			}
		}
		if err != nil || len(names) == 0 {
			// What can't be listed can't be swept; whether entries can be made there is another matter.
			d.node.mark(swept)
			return nil
		}
	}
}

// left tells whether an unfinished file's process is no more. A restore that runs beside this one keeps its files.
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

// lives tells whether a process that changed a file at a time still runs, by its number. One that has ended does not, though nobody
// has asked yet how it did, and neither does one whose number is another's now, as after the system was started anew.
func lives(pid int, changed time.Time) bool {
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return false
	}
	began, known, ended := began(pid)
	return !ended && (!known || !began.After(changed.Add(clockSlack)))
}

// clockSlack is how much later than it was a process may seem to have begun.
const clockSlack = 2 * time.Second
