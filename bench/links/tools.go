package links

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
)

// Firn is firn with so many upload workers; more flags may follow.
func Firn(name, program, keyfile, workers string) Tool {
	return Tool{Name: name, Command: func(u Upload) *exec.Cmd {
		return exec.Command(program, "backup", "--quiet", "--backup-path", u.Tree, "--depth", "1", "--cache-path", u.Scratch,
			"--bucket-name", u.Bucket, "--storage-class", "STANDARD", "--keyfile", keyfile, "--compression-algorithm", "zstd", "--upload-workers", workers)
	}}
}

// AWS is aws s3 cp with its own defaults.
func AWS(program string) Tool {
	return Tool{Name: "aws s3 cp --recursive", Peer: true, Command: func(u Upload) *exec.Cmd {
		return exec.Command(program, "s3", "cp", "--quiet", "--recursive", "--endpoint-url", u.Endpoint, u.Objects, "s3://"+u.Bucket+"/")
	}}
}

// S5cmd is s5cmd cp with its own defaults: 256 workers.
func S5cmd(program string) Tool {
	return Tool{Name: "s5cmd cp", Peer: true, Command: func(u Upload) *exec.Cmd {
		return exec.Command(program, "--endpoint-url", u.Endpoint, "--log", "error", "cp", u.Objects+"/", "s3://"+u.Bucket+"/")
	}}
}

// Rclone is rclone copy with 64 transfers.
func Rclone(program string) Tool {
	return Tool{Name: "rclone copy --transfers 64", Peer: true, Command: func(u Upload) *exec.Cmd {
		cmd := exec.Command(program, "copy", "--transfers", "64", "--config", os.DevNull, u.Objects, ":s3:"+u.Bucket)
		cmd.Env = []string{"RCLONE_S3_PROVIDER=Other", "RCLONE_S3_ENV_AUTH=true", "RCLONE_S3_ENDPOINT=" + u.Endpoint, "RCLONE_S3_REGION=us-east-1"}
		return cmd
	}}
}

// Tiny is a load of so many archives of a few bytes each.
func Tiny(archives int) Load {
	return Load{fmt.Sprintf("%d tiny archives", archives), func(dir string) error {
		for i := range archives {
			d := filepath.Join(dir, fmt.Sprintf("d%04d", i))
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(d, "file"), fmt.Append(nil, "content ", i, "\n"), 0o644); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Large is a load of one archive of a file of random bytes.
func Large(size int64) Load {
	return Load{fmt.Sprintf("one archive of %d MB", size/1e6), func(dir string) (err error) {
		d := filepath.Join(dir, "large")
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(d, "file"))
		if err != nil {
			return err
		}
		dice, block := rand.New(rand.NewSource(1)), make([]byte, 1<<20)
		for left := size; left > 0 && err == nil; left -= int64(len(block)) {
			dice.Read(block)
			_, err = f.Write(block[:min(left, int64(len(block)))])
		}
		if e := f.Close(); err == nil {
			err = e
		}
		return err
	}}
}
