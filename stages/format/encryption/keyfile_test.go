package encryption

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
)

func TestReadPassphraseRefuses(t *testing.T) {
	dir := t.TempDir()
	weak := filepath.Join(dir, "weak")
	empty := filepath.Join(dir, "empty")
	nul := filepath.Join(dir, "nul")
	newline := filepath.Join(dir, "newline")
	for path, content := range map[string]string{weak: "fifteen bytes!!\nand more", empty: "", nul: "\x00abc", newline: "\nabc"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, path string
		is         error
		says       []string
	}{
		{"missing", filepath.Join(dir, "none"), fs.ErrNotExist, []string{"does not exist", "check the path"}},
		{"no path", "", fs.ErrNotExist, []string{"no path"}},
		{"directory", dir, syscall.EISDIR, []string{"is a directory"}},
		{"below a file", filepath.Join(weak, "x"), syscall.ENOTDIR, nil},
		{"weak", weak, ErrWeakPassphrase, []string{"15 bytes", "16", "guessed"}},
		{"leading newline", newline, ErrWeakPassphrase, []string{"0 bytes"}},
		{"empty", empty, ErrNoPassphrase, []string{"empty"}},
		{"leading NUL", nul, ErrNoPassphrase, []string{"NUL"}},
	} {
		p, warnings, err := ReadPassphrase(c.path, KeyfileOptions{})
		if !errors.Is(err, c.is) || p != nil || warnings != nil {
			t.Errorf("%s: %v, %v, %v, want %v", c.name, p, warnings, err, c.is)
			continue
		}
		for _, word := range append(c.says, "key file", c.path) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", c.name, err, word)
			}
		}
		if strings.Contains(err.Error(), "abc") || strings.Contains(err.Error(), "fifteen") {
			t.Errorf("%s: %q gives the passphrase away", c.name, err)
		}
	}
	for _, path := range []string{empty, nul} {
		if _, _, err := ReadPassphrase(path, KeyfileOptions{AllowWeak: true}); !errors.Is(err, ErrNoPassphrase) {
			t.Errorf("%s, weak ones allowed: %v", path, err)
		}
	}
}

func TestReadPassphraseWarns(t *testing.T) {
	strong, weak := []byte("sixteen bytes !!\nand more"), []byte("short")
	for _, c := range []struct {
		content []byte
		mode    fs.FileMode
		says    []string // in the warnings, one each
	}{
		{strong, 0o600, nil},
		{strong, 0o400, nil},
		{strong, 0o640, []string{"mode 0640"}},
		{strong, 0o604, []string{"chmod 600"}},
		{strong, 0o620, []string{"mode 0620"}},
		{weak, 0o600, []string{"is weak"}},
		{weak, 0o644, []string{"mode 0644", "5 bytes"}},
	} {
		path := writeKey(t, c.content)
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		p, warnings, err := ReadPassphrase(path, KeyfileOptions{AllowWeak: true})
		if err != nil {
			t.Errorf("%q, mode %o: %v", c.content, c.mode, err)
			continue
		}
		if want, _, _ := bytes.Cut(c.content, []byte("\n")); !bytes.Equal(p.bytes(), want) || p.Weak() != (len(want) < 16) {
			t.Errorf("%q: passphrase %q, weak: %t", c.content, p.bytes(), p.Weak())
		}
		if len(warnings) != len(c.says) {
			t.Errorf("%q, mode %o: warnings %q", c.content, c.mode, warnings)
			continue
		}
		for i, word := range c.says {
			if !strings.Contains(warnings[i], word) || !strings.Contains(warnings[i], path) {
				t.Errorf("%q, mode %o: %q does not say %q and the path", c.content, c.mode, warnings[i], word)
			}
		}
	}
}

// TestReadPassphraseFromPipe: a pipe, as in --keyfile <(gpg -d …), may hand its bytes over one by
// one and stay open after the line, and the modes it shows mean nothing.
func TestReadPassphraseFromPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	read, wrote := make(chan struct{}), make(chan error)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString("a passphrase that is long enough\n")
			<-read
			err = errors.Join(err, f.Close())
		}
		wrote <- err
	}()
	p, warnings, err := ReadPassphrase(path, KeyfileOptions{})
	close(read)
	if werr := <-wrote; werr != nil {
		t.Fatal(werr)
	}
	if err != nil || warnings != nil || string(p.bytes()) != "a passphrase that is long enough" {
		t.Errorf("%v, %v", warnings, err)
	}
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for in, want := range map[string]string{"": "", "a": "a", "a\nb": "a", long: long[:1023], long[:1022] + "\nb": long[:1022]} {
		for name, r := range map[string]io.Reader{
			"at once": strings.NewReader(in), "one by one": iotest.OneByteReader(strings.NewReader(in)), "with the end": iotest.DataErrReader(strings.NewReader(in)),
		} {
			got, err := readLine(r)
			line, _, _ := strings.Cut(string(got), "\n")
			if err != nil || line != want {
				t.Errorf("%s: %d bytes give %d, %v", name, len(in), len(got), err)
			}
		}
	}
	boom := errors.New("boom")
	if _, err := readLine(io.MultiReader(strings.NewReader("half a passphra"), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Errorf("a read that failed gave a passphrase: %v", err)
	}
}

func TestCreateKeyfile(t *testing.T) {
	dir := t.TempDir()
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	firsts := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		if err := CreateKeyfile(path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 || info.Size() != 4096 {
			t.Fatalf("%v, %v", info.Mode(), err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		secret, err := base64.RawStdEncoding.DecodeString(first)
		if err != nil || len(secret) != 48 {
			t.Errorf("the first line is %d bytes of base64 (%v)", len(secret), err)
		}
		firsts[first] = true
		for i, c := range text {
			if c != '\n' && (c < ' ' || c > '~') {
				t.Errorf("byte %d is %#x, no text", i, c)
			}
		}
		p, warnings, err := ReadPassphrase(path, KeyfileOptions{})
		if err != nil || warnings != nil || string(p.bytes()) != first {
			t.Errorf("the new file reads as another passphrase (%v, %v)", warnings, err)
		}
		cipher, err := openssl(path, []byte("plain"))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decryptAll(p, cipher); err != nil || string(back) != "plain" {
			t.Errorf("openssl reads the new file otherwise: %v", err)
		}
	}
	if len(firsts) != 2 {
		t.Error("two key files are the same")
	}
	assertNames(t, dir, "a", "b")
}

// assertNames: nothing else is left in dir, no half-made key file above all.
func assertNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("in the directory: %q, want %q", got, want)
	}
}

func TestCreateKeyfileRefuses(t *testing.T) {
	dir := t.TempDir()
	file, link, sub := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "sub")
	if err := errors.Join(os.WriteFile(file, []byte("precious"), 0o600), os.Symlink("nowhere", link), os.Mkdir(sub, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		is   error
		says string
	}{
		{file, fs.ErrExist, "never overwritten"},
		{link, fs.ErrExist, "never overwritten"},
		{sub, fs.ErrExist, "never overwritten"},
		{filepath.Join(dir, "none", "key"), fs.ErrNotExist, "make it first"},
		{filepath.Join(file, "key"), syscall.ENOTDIR, file},
		{dir + "/none/", fs.ErrInvalid, "names no file"},
		{"", fs.ErrInvalid, "names no file"},
	} {
		if err := CreateKeyfile(c.path); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v and %q", c.path, err, c.is, c.says)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	assertNames(t, dir, "file", "link", "sub")
}

// TestPutNewNeverOverwrites is CreateKeyfile's race: another process made the file since it looked.
func TestPutNewNeverOverwrites(t *testing.T) { testPutNew(t, putNew) }

func testPutNew(t *testing.T, put func(tmp, path string) error) {
	dir := t.TempDir()
	tmp, path := filepath.Join(dir, "tmp"), filepath.Join(dir, "path")
	if err := errors.Join(os.WriteFile(tmp, []byte("new"), 0o600), os.WriteFile(path, []byte("old"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := put(tmp, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	assertNames(t, dir, "path", "tmp")
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("over a file: %q, %v", b, err)
	}
	if err := errors.Join(os.Remove(path), put(tmp, path)); err != nil {
		t.Errorf("where nothing is: %v", err)
	}
	assertNames(t, dir, "path")
}

func TestCreateKeyfileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { errs[i] = CreateKeyfile(path) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d of %d made the one file", made, len(errs))
	}
	assertNames(t, filepath.Dir(path), "key")
}
