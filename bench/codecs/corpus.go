package main

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"firn/bench/tree"
	"firn/stages/stage/archive"
	"firn/stages/stage/walk"
)

// seed of all that is made here.
const seed = 1

// A corpus is one file to compress.
type corpus struct {
	name, file string
	size       int64
}

// makeCorpora writes the corpora: source text and programs of the Go
// installation, bytes that do not compress, and the tar of many tiny files.
func makeCorpora(dir string, size int64) ([]corpus, error) {
	var all []corpus
	for _, c := range []struct {
		name string
		make func(w io.Writer, size int64) error
	}{
		{"text", func(w io.Writer, size int64) error {
			return tarOf(w, size, func(dir string) error { return tree.Text(dir, seed, size) })
		}},
		{"binaries", programs},
		{"random", func(w io.Writer, size int64) error {
			_, err := io.CopyN(w, rand.NewChaCha8([32]byte{seed}), size)
			return err
		}},
		{"tiny", func(w io.Writer, size int64) error {
			return tarOf(w, size, func(dir string) error { return tree.Many(dir, int(size/1024)) })
		}},
	} {
		file := filepath.Join(dir, c.name)
		f, err := os.Create(file)
		if err != nil {
			return nil, err
		}
		if err := c.make(f, size); err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		all = append(all, corpus{c.name, file, info.Size()})
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tarOf writes the first size bytes of the tar of the tree that make writes.
func tarOf(w io.Writer, size int64, make func(dir string) error) error {
	dir, err := os.MkdirTemp("", "firn-corpus-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := make(dir); err != nil {
		return err
	}
	t, err := walk.Open(dir, walk.Options{})
	if err != nil {
		return err
	}
	defer t.Close()
	_, err = archive.New().Write(context.Background(), &head{w, size}, t, walk.Subtree{Base: "corpus"}, archive.Observer{})
	return err
}

// A head passes the first bytes on and swallows the rest.
type head struct {
	w    io.Writer
	left int64
}

func (h *head) Write(p []byte) (int, error) {
	n := min(int64(len(p)), h.left)
	h.left -= n
	if _, err := h.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// programs writes the first size bytes of the Go installation's binaries.
func programs(w io.Writer, size int64) error {
	root, err := tree.GoRoot()
	if err != nil {
		return err
	}
	h := &head{w, size}
	for _, pattern := range []string{"bin/*", "pkg/tool/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			_, err = io.Copy(h, f)
			f.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}
