package dir_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"firn/stages/store"
	"firn/stages/store/storetest"
)

// TestHostileFiles has what others can put into the store's directory: nothing of it is read without
// an end, and it hides no other object.
func TestHostileFiles(t *testing.T) {
	sidecar := func(root string) string { return filepath.Join(root, "a", ".k.firn-meta") }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, do := range map[string]func(root string){
		"a sidecar of terabytes": func(root string) { must(os.Truncate(sidecar(root), 1<<42)) },
		"a sidecar that is a pipe": func(root string) {
			must(errors.Join(os.Remove(sidecar(root)), syscall.Mkfifo(sidecar(root), 0o600)))
		},
		"a sidecar that is a link to a device": func(root string) {
			must(errors.Join(os.Remove(sidecar(root)), os.Symlink("/dev/zero", sidecar(root))))
		},
		"a loop of links": func(root string) {
			must(errors.Join(os.Symlink(root, filepath.Join(root, "a", "up")), os.Symlink("loop", filepath.Join(root, "a", "loop"))))
		},
		"folders deeper than a path can be": func(root string) {
			t.Chdir(root)
			for range 2100 {
				must(os.Mkdir("d", 0o700))
				must(os.Chdir("d"))
			}
		},
		"an unfinished upload of a pipe": func(root string) {
			must(syscall.Mkfifo(filepath.Join(root, ".firn-store", "uploads", "x.json"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			st, root := openRoot(t)
			for _, key := range []string{"a/k", "z/k"} {
				storetest.Put(t, st, key, []byte(key), store.PutOptions{Meta: map[string]string{"md5": key}})
			}
			do(root)
			done := make(chan struct{})
			go func() {
				defer close(done)
				keys := storetest.Keys(t, st, "")
				if len(keys) != 2 {
					t.Errorf("listed: %q", keys)
				}
				storetest.MustHold(t, st, "z/k", []byte("z/k"), store.PutOptions{Meta: map[string]string{"md5": "z/k"}})
				if o, err := st.Head(t.Context(), "a/k", ""); err != nil || o.Size != 3 {
					t.Errorf("%+v, %v", o, err)
				}
				if err := st.Uploads(t.Context(), "", func(store.PendingUpload) error { return nil }); err != nil {
					t.Error(err)
				}
				storetest.Put(t, st, "a/k", []byte("new"), store.PutOptions{Meta: map[string]string{"md5": "new"}})
				storetest.MustHold(t, st, "a/k", []byte("new"), store.PutOptions{Meta: map[string]string{"md5": "new"}})
			}()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
		})
	}
}
