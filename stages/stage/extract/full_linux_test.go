package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"firn/pipeline"
	"firn/stages/stage/extract"
)

// onTmpfs runs fn, as root, with a small file system at a directory that nobody else sees.
func onTmpfs(t *testing.T, options string, fn func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("making mounts private: %w", err)
			}
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
				return fmt.Errorf("mounting a tmpfs: %w", err)
			}
			fn(dir)
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func isTargetError(err error) bool {
	target, ok := errors.AsType[*extract.TargetError](err)
	return ok && target.Target != ""
}

// TestFull fills a file system with bytes, and with files.
func TestFull(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestExplain looks at the same from inside
	}
	big := tar.Header{Name: "d/big", Typeflag: tar.TypeReg, Size: 900_000}
	var many []tar.Header
	for i := range 100 {
		many = append(many, folder(fmt.Sprint("d", i)), reg(fmt.Sprint("d", i, "/f")), sym(fmt.Sprint("d", i, "/l"), "x"))
	}
	for name, c := range map[string]struct {
		options string
		b       []byte
	}{
		"bytes": {"size=1m", made(t, folder("d"), reg("d/small"), big, tar.Header{Name: "d/more", Typeflag: tar.TypeReg, Size: 900_000}, reg("d/last"))},
		"files": {"size=1m,nr_inodes=90", made(t, many...)},
	} {
		t.Run(name, func(t *testing.T) {
			onTmpfs(t, c.options, func(dir string) {
				r, f, err := lay(t, dir, extract.Options{}, c.b, "", nil)
				if !pipeline.IsFatal(err) || !errors.Is(err, unix.ENOSPC) || !isTargetError(err) || len(f.all) > 0 || r.Entries < 3 {
					t.Errorf("%+v, %v\n%v", r, err, f)
				}
				if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=4m,nr_inodes=1000"); err != nil {
					t.Error(err)
				}
				again, f, err := lay(t, dir, extract.Options{}, c.b, "", nil)
				if err != nil || len(f.all) > 0 || again.Kept == 0 {
					t.Errorf("with room: %+v, %v\n%v", again, err, f)
				}
			})
		})
	}
}

// TestReadOnly restores to what can't be written to.
func TestReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	onTmpfs(t, "size=1m", func(dir string) {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")); err != nil {
			t.Error(err)
			return
		}
		for _, h := range []tar.Header{reg("d/f"), folder("e"), sym("l", "x"), hard("h", "d"), reg("e/f")} {
			x := extract.New(extract.Options{Target: target(t, dir)})
			_, err := x.Extract(context.Background(), bytes.NewReader(made(t, h)), "", nil, extract.Limits{}, nil)
			if h.Typeflag != tar.TypeLink && (!pipeline.IsFatal(err) || !errors.Is(err, unix.EROFS) || !isTargetError(err)) {
				t.Errorf("%s: %v", h.Name, err)
			}
			if err := x.Finish(); err != nil {
				t.Error(err)
			}
		}
		x := extract.New(extract.Options{Target: target(t, dir)})
		if _, err := x.Extract(context.Background(), bytes.NewReader(made(t, reg("f"))), "new/place", nil, extract.Limits{}, nil); !pipeline.IsFatal(err) {
			t.Errorf("making the place: %v", err)
		}
		if err := x.Finish(); err != nil {
			t.Error(err)
		}
	})
}
