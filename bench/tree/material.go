package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// material is what Text and Mixed are made of: the source text and the programs of the Go
// installation.
type material struct {
	root     string
	dirs     []textDir
	programs []byte
}

// textDir is a directory of source text.
type textDir struct {
	path  string // below the installation
	files []string
}

// GoRoot is the directory of the Go installation, as the go command reports it: programs built with
// -trimpath do not know it.
func GoRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("finding the Go installation: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// openMaterial lists the text, its directories in an order that depends on the seed.
func openMaterial(rng *rand.Rand) (*material, error) {
	root, err := GoRoot()
	if err != nil {
		return nil, err
	}
	m := &material{root: root}
	byDir := map[string][]string{}
	err = filepath.WalkDir(filepath.Join(root, "src"), func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && isText(e.Name()) {
			dir, name := filepath.Split(p)
			byDir[dir] = append(byDir[dir], name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the source of the Go installation: %w", err)
	}
	for _, dir := range sortedKeys(byDir) {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		m.dirs = append(m.dirs, textDir{rel, byDir[dir]})
	}
	if len(m.dirs) == 0 {
		return nil, errors.New("the Go installation has no source")
	}
	rng.Shuffle(len(m.dirs), func(i, j int) { m.dirs[i], m.dirs[j] = m.dirs[j], m.dirs[i] })
	return m, nil
}

func isText(name string) bool {
	return slices.Contains([]string{".go", ".s", ".md", ".txt", ".h", ".c", ".html", ".js", ".bash"}, filepath.Ext(name))
}

// loadPrograms reads the programs of the installation into one piece.
func (m *material) loadPrograms() error {
	var all bytes.Buffer
	for _, pattern := range []string{"bin/*", "pkg/tool/*/*"} {
		names, err := filepath.Glob(filepath.Join(m.root, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("reading the programs of the Go installation: %w", err)
			}
			all.Write(b)
		}
	}
	if m.programs = all.Bytes(); len(m.programs) < 8<<20 {
		return fmt.Errorf("the Go installation in %s has only %d bytes of programs", m.root, len(m.programs))
	}
	return nil
}

// text fills a directory with source text, a directory of the installation in each of its own,
// until it has written files files or size bytes; a file ends at longest bytes. It returns how many
// bytes it wrote. from is the directory of the installation to begin with, and where the next call
// goes on.
func (m *material) text(into *maker, from *int, files int, size, longest int64) (written int64) {
	for ; files > 0 && written < size && into.err == nil; *from++ {
		d := m.dirs[*from%len(m.dirs)]
		// When all have been used, they are used again: their number keeps them apart.
		name := strings.ReplaceAll(strings.TrimPrefix(d.path, "src/"), "/", ".")
		into.dir(fmt.Sprintf("%s %d", name, *from), func(sub *maker) {
			for _, name := range d.files {
				if files == 0 || written == size || sub.err != nil {
					return
				}
				b, err := os.ReadFile(filepath.Join(m.root, d.path, name))
				sub.check("reading the text for", name, err)
				b = b[:min(int64(len(b)), longest, size-written)]
				sub.file(name, string(b))
				written += int64(len(b))
				files--
			}
		})
	}
	return written
}
