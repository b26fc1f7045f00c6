package tarfmt

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// list returns what a tool prints of an archive.
func list(t *testing.T, file string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], append(command[1:], file)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, &stderr)
	}
	return string(out)
}

// python prints each member's name, or its link's target where it has one, and its size where it
// has one.
func python(mode string) []string {
	return []string{"python3", "-c", `
import os, sys, tarfile
for m in tarfile.open(sys.argv[2], sys.argv[1]):
    sys.stdout.buffer.write(os.fsencode(m.name + ("/" if m.isdir() else "") + (" -> " + m.linkname if m.linkname else "")) + b"\n")
`, mode}
}

// TestToolsNames has other programs list names of every length around the limits, which no file
// system could hold.
func TestToolsNames(t *testing.T) {
	var archive []byte
	var gnu, bsd, py strings.Builder
	add := func(h Header) {
		h.ModTime = whole
		archive = append(archive, encode(t, h)...)
		name := h.Name
		if h.Type == TypeDir {
			name += "/"
		}
		fmt.Fprintln(&gnu, name)
		if h.Link != "" {
			name += " -> " + h.Link
		}
		fmt.Fprintln(&py, name)
		if isASCII(h.Name) {
			fmt.Fprintln(&bsd, h.Name+map[bool]string{true: "/"}[h.Type == TypeDir])
		}
	}
	lengths := []int{1, 2, 1000, 4095, 4096, 5000}
	for n := 95; n < 265; n++ {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		for _, piece := range []string{"flat", "deep/", strings.Repeat("x", 100) + "/", strings.Repeat("y", 155) + "/", "ö", "\xff"} {
			name := strings.TrimRight(strings.Repeat(piece, n)[:n], "/")
			add(Header{Name: name, Type: TypeReg})
			add(Header{Name: name, Type: TypeDir})
			add(Header{Name: name, Type: TypeSymlink, Link: name})
			add(Header{Name: name, Type: TypeReg, Size: 1 << 20, Sparse: []Segment{}})
		}
	}
	file := filepath.Join(t.TempDir(), "names.tar")
	if err := os.WriteFile(file, append(archive, make([]byte, EndSize)...), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		want    string
	}{
		{[]string{"tar", "--quoting-style=literal", "-tf"}, gnu.String()},
		{python("r:"), py.String()},
		{python("r|"), py.String()},
	} {
		compare(t, c.command, list(t, file, c.command...), c.want)
	}
	// bsdtar escapes what it can't print, so only its plain names are compared.
	var plain strings.Builder
	for line := range strings.Lines(list(t, file, "bsdtar", "-tf")) {
		if isASCII(line) && !strings.Contains(line, `\`) {
			plain.WriteString(line)
		}
	}
	compare(t, []string{"bsdtar", "-tf"}, plain.String(), bsd.String())
}

func compare(t *testing.T, command []string, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%q: line %d:\n got %q\nwant %q", command, i, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Errorf("%q: %d lines of %d", command, len(g), len(w))
	}
}

// TestToolsHuge has members of more than 8 GiB, with and without holes, whose data are holes of the
// archive's own file.
func TestToolsHuge(t *testing.T) {
	const size = 9 << 30
	f, err := os.Create(filepath.Join(t.TempDir(), "huge.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := int64(0)
	put := func(b []byte, data int64) {
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		at += int64(len(b)) + data + Padding(data)
	}
	put(encode(t, Header{Name: "plain", Type: TypeReg, Size: size + 1, ModTime: whole}), size+1)
	put(encode(t, Header{Name: "sparse", Type: TypeReg, Size: 2 * size, ModTime: whole, Sparse: []Segment{{size / 2, size + 3}}}), size+3)
	put(encode(t, Header{Name: "last", Type: TypeReg, ModTime: whole}), 0)
	put(make([]byte, EndSize), 0)
	for _, c := range [][]string{{"tar", "-tf"}, {"bsdtar", "-tf"}, python("r:")} {
		compare(t, c, list(t, f.Name(), c...), "plain\nsparse\nlast\n")
	}
}
