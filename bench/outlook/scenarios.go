package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"firn/bench/tree"
	"firn/stages/backup"
)

// A scenario is a run with a limit of its own.
type scenario struct {
	name string
	run  func(context.Context, *rig) (*measured, error)
}

var scenarios = []scenario{
	{"first backup, slow upload", func(ctx context.Context, r *rig) (*measured, error) {
		if err := tree.Mixed(r.path("tree"), 1); err != nil {
			return nil, err
		}
		return r.backup(ctx, 2<<20, "gzip", nil, nil)
	}},
	{"first backup, bzip2 with one worker", func(ctx context.Context, r *rig) (*measured, error) {
		if err := tree.Mixed(r.path("tree"), 2); err != nil {
			return nil, err
		}
		return r.backup(ctx, 0, "bzip2", nil, func(o *backup.Options) { o.Workers.Compress = 1 })
	}},
	{"first backup, slow source", func(ctx context.Context, r *rig) (m *measured, err error) {
		err = slowly(r, 6<<20, func() error { return tree.Mixed(r.path("tree/in"), 3) }, func() (err error) {
			m, err = r.backup(ctx, 0, "zstd", nil, func(o *backup.Options) { o.Path += "/in" })
			return err
		})
		return m, err
	}},
	{"nightly backup, a part changed, slow upload", func(ctx context.Context, r *rig) (*measured, error) {
		dir := r.path("tree")
		for i := range 120 {
			if err := tree.Text(filepath.Join(dir, fmt.Sprintf("%03d", i)), uint64(i), 8<<20); err != nil {
				return nil, err
			}
		}
		first, err := r.backup(ctx, 0, "zstd", nil, nil)
		if err != nil {
			return nil, err
		}
		for i := range 120 {
			if i%4 == 0 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d", i), "changed"), []byte(time.Now().String()), 0o600); err != nil {
					return nil, err
				}
			}
		}
		return r.backup(ctx, 768<<10, "zstd", &first.past, nil)
	}},
	{"restore, slow download", func(ctx context.Context, r *rig) (*measured, error) {
		if err := tree.Mixed(r.path("tree"), 4); err != nil {
			return nil, err
		}
		if _, err := r.backup(ctx, 0, "gzip", nil, nil); err != nil {
			return nil, err
		}
		return r.restore(ctx, 2<<20)
	}},
	{"first backup, 600,000 small files", func(ctx context.Context, r *rig) (*measured, error) {
		if err := tree.Many(r.path("tree"), 600_000); err != nil {
			return nil, err
		}
		return r.backup(ctx, 0, "zstd", nil, nil)
	}},
	{"first backup, one archive, slow upload", func(ctx context.Context, r *rig) (*measured, error) {
		if err := tree.Mixed(r.path("tree"), 5); err != nil {
			return nil, err
		}
		return r.backup(ctx, 2<<20, "gzip", nil, func(o *backup.Options) { o.Walk.Depth = 0 })
	}},
}

// slowly makes something in the tree, on a file system of its own, and has this process read from it
// with so many bytes a second. Reads come from the device: the file system was mounted anew.
func slowly(r *rig, bytes int64, fill func() error, work func() error) (err error) {
	image, dir, group := r.path("image"), r.path("tree"), "/sys/fs/cgroup/blkio/firn-outlook"
	sh := func(script string) error {
		c := exec.Command("sh", "-ec", script)
		c.Env = append(os.Environ(), "IMAGE="+image, "DIR="+dir, "GROUP="+group, fmt.Sprintf("RATE=%d", bytes), fmt.Sprintf("ME=%d", os.Getpid()))
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := sh(`truncate -s 2G "$IMAGE"; mkfs.ext4 -q "$IMAGE"; mount -o loop "$IMAGE" "$DIR"`); err != nil {
		return err
	}
	defer func() {
		_ = sh(`echo $ME >/sys/fs/cgroup/blkio/cgroup.procs || true; umount "$DIR"; rmdir "$GROUP" || true`)
	}()
	if err := fill(); err != nil {
		return err
	}
	err = sh(`umount "$DIR"; mount -o loop "$IMAGE" "$DIR"; mkdir -p "$GROUP"
device=$(findmnt -no MAJ:MIN "$DIR" | tr -d ' ')
echo "$device $RATE" >"$GROUP/blkio.throttle.read_bps_device"
echo $ME >"$GROUP/cgroup.procs"`)
	if err != nil {
		return err
	}
	return work()
}
