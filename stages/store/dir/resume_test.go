package dir_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"firn/stages/store"
	"firn/stages/store/dir"
	"firn/stages/store/storetest"
)

const uploaderEnv = "FIRN_TEST_DIR_UPLOADER"

var (
	killedBody    = storetest.Bytes("killed", 9_500)
	killedOptions = store.PutOptions{Meta: map[string]string{"md5": "m"}, PartSize: 1000}
)

func killedPart(number int) []byte { return killedBody[(number-1)*1000 : min(number*1000, 9_500)] }

// uploadForEver sends the parts of one upload again and again, and tells of each that is stored.
func uploadForEver(root string) {
	s, err := dir.Open(root)
	var u store.Upload
	if err == nil {
		u, err = s.CreateUpload(contextOfWriter(), "k", killedOptions)
	}
	if err == nil {
		fmt.Println(u.ID())
	}
	for n := 0; err == nil; n++ {
		b := killedPart(n%10 + 1)
		if _, err = u.Part(contextOfWriter(), n%10+1, b, store.CRC32C(b)); err == nil {
			fmt.Println(n%10 + 1)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestUploadKilled kills an uploader at many moments: each part that was said to be stored is there,
// and the rest makes the object whole.
func TestUploadKilled(t *testing.T) {
	for parts := range 13 {
		s, root := openRoot(t)
		id, told := runUploader(t, root, parts)
		u, held, err := s.ResumeUpload(t.Context(), "k", id, killedOptions)
		if err != nil {
			t.Fatalf("after %d parts: %v", parts, err)
		}
		for number := 1; number <= 10; number++ {
			b := killedPart(number)
			i := slices.IndexFunc(held, func(p store.Part) bool { return p.Number == number })
			if i >= 0 {
				if !held[i].Holds(store.Part{Number: number, Size: int64(len(b)), CRC32C: store.CRC32C(b)}) {
					t.Errorf("after %d parts: %+v holds other bytes", parts, held[i])
				}
				continue
			}
			if number <= told {
				t.Errorf("after %d parts: part %d is gone", parts, number)
			}
			p, err := u.Part(t.Context(), number, b, store.CRC32C(b))
			must(t, err)
			held = append(held, p)
		}
		_, err = u.Complete(t.Context(), held, store.CRC32C(killedBody))
		must(t, err)
		storetest.MustHold(t, s, "k", killedBody, killedOptions)
		if left := files(t, filepath.Join(root, ".firn-store/uploads")); len(left) != 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

// runUploader lets an uploader store so many parts, kills it, and returns the upload's id and how
// many parts it told of.
func runUploader(t *testing.T, root string, parts int) (id string, told int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), uploaderEnv+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = fmt.Fscanln(out, &id)
	must(t, err)
	for told < parts {
		var number int
		_, err := fmt.Fscanln(out, &number)
		must(t, err)
		told++
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	return id, told
}

// TestNotes has what a power failure, a full disk or somebody else can do to an upload's files: parts
// that are not surely there are sent again, and nothing is read without an end.
func TestNotes(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(t *testing.T, data, notes string)
		want   string // parts
	}{
		"nothing":              {func(*testing.T, string, string) {}, "[1 2 3]"},
		"the last note is cut": {func(t *testing.T, _, notes string) { cut(t, notes, 5) }, "[1 2]"},
		"zeros for a note": {func(t *testing.T, _, notes string) {
			cut(t, notes, 20)
			add(t, notes, bytes.Repeat([]byte{0}, 500))
			add(t, notes, []byte("\n"+`{"number":3,"size":100,"crc32c":7}`))
		}, "[1 2 3]"},
		"the data are cut": {func(t *testing.T, data, _ string) { cut(t, data, 1) }, "[1 2]"},
		"no data":          {func(t *testing.T, data, _ string) { cut(t, data, 2100) }, "[]"},
		"numbers out of range": {func(t *testing.T, _, notes string) {
			add(t, notes, []byte("\n"+`{"number":0,"size":1}`+"\n"+`{"number":9223372036854775807,"size":1}`))
		}, "[1 2 3]"},
		"sizes out of range": {func(t *testing.T, _, notes string) {
			add(t, notes, []byte("\n"+`{"number":1,"size":-5}`+"\n"+`{"number":2,"size":5000}`))
		}, "[3]"},
		"a line without an end": {func(t *testing.T, _, notes string) { must(t, os.Truncate(notes, 1<<33)) }, "[1 2]"},
		"a link for the data": {func(t *testing.T, data, _ string) {
			must(t, os.Rename(data, data+"x"))
			must(t, os.Symlink(data+"x", data))
		}, "none"},
		"a folder for the notes": {func(t *testing.T, _, notes string) { must(t, os.Remove(notes)); must(t, os.Mkdir(notes, 0o700)) }, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			s, root := openRoot(t)
			u, err := s.CreateUpload(t.Context(), "k", killedOptions)
			must(t, err)
			for number, b := range [][]byte{killedPart(1), killedPart(2), killedPart(3)[:100]} {
				_, err := u.Part(t.Context(), number+1, b, store.CRC32C(b))
				must(t, err)
			}
			file := filepath.Join(root, ".firn-store/uploads", u.ID())
			tt.damage(t, file+".data", file+".parts")
			began := time.Now()
			_, parts, err := s.ResumeUpload(t.Context(), "k", u.ID(), killedOptions)
			numbers := []int{}
			for _, p := range parts {
				numbers = append(numbers, p.Number)
			}
			if got := fmt.Sprint(numbers); got != tt.want && !(tt.want == "none" && err != nil) || err != nil && tt.want != "none" {
				t.Errorf("parts %s, not %s: %v", got, tt.want, err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// cut takes n bytes from the end of a file.
func cut(t *testing.T, path string, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, max(info.Size()-n, 0)))
}

func add(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.Write(b)
	must(t, err)
	must(t, f.Close())
}
