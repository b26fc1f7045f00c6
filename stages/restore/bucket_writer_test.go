package restore_test

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/bench/tree"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/rebuild"
	"firn/stages/restore"
	"firn/stages/service/report"
	"firn/stages/store"
	"firn/stages/verify"
)

// A bucketWriter may write to the store, and has no key. Some tests give it one archive that was
// made with the key, which is what only the host may do.
type bucketWriter struct {
	*stagestest.Rig
	yesterday map[string]store.Object // before the last backup
	bodies    map[string][]byte
	other     string // a key file
	forget    func() // deletes the catalogue
}

// put stores an object again with other metadata.
func (w *bucketWriter) put(body []byte, change func(meta map[string]string)) {
	head, err := w.Store.Head(w.T.Context(), w.KeyOf("d1"), "")
	w.Must(err)
	meta := maps.Clone(head.Meta)
	change(meta)
	w.PutObject(w.KeyOf("d1"), body, meta)
}

func (w *bucketWriter) body(name string) []byte { return w.ReadObject(w.KeyOf(name)) }

func onlyMD5(meta map[string]string) {
	maps.DeleteFunc(meta, func(name, _ string) bool { return name != "md5" })
}

func set(name, value string) func(map[string]string) {
	return func(meta map[string]string) { meta[name] = value }
}

// sealed is an archive as the host makes it, with its metadata.
func (w *bucketWriter) sealed(key string, plain []byte) ([]byte, map[string]string) {
	keys := w.Secrets(w.Keyfile)
	mac := keys.MAC(key)
	mac.Write(plain)
	sum := md5.Sum(plain)
	body := pipeBytes(w.T, plain, "openssl", "enc", "-e", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+w.Keyfile)
	return body, map[string]string{
		"md5": hex.EncodeToString(sum[:]), "firn-format": "1", "firn-hmac-sha256": hex.EncodeToString(mac.Sum(nil)), "firn-key-id": keys.ID(),
	}
}

func pipeBytes(t testing.TB, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// tarOf is a compressed tar of empty directories and files.
func tarOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return pipeBytes(t, b.Bytes(), "gzip")
}

// Each attack on d1: what a restore, a verification and a rebuild say of it, "" for nothing wrong.
// The rest of the tree comes back, and nothing of what was forged.
var bucketWriterAttacks = map[string]struct {
	harm        func(w *bucketWriter)
	restore     string // kind and problem of its event
	quick, read string // of verify: "" is verified
}{
	"another's ciphertext with an MD5, no catalogue": {func(w *bucketWriter) {
		head, err := w.Store.Head(w.T.Context(), w.KeyOf("d2"), "")
		w.Must(err)
		w.put(w.body("d2"), func(meta map[string]string) { onlyMD5(meta); meta["md5"] = head.Meta["md5"] })
		w.forget()
	}, "unproven unproven", "unproven unproven", "unproven unproven|damaged entries"},
	"HMAC stripped, no catalogue": {func(w *bucketWriter) { w.put(w.body("d1"), onlyMD5); w.forget() },
		"unproven unproven", "unproven unproven", "unproven unproven"},
	"HMAC stripped": {func(w *bucketWriter) { w.put(w.body("d1"), onlyMD5) },
		"", "", "damaged metadata"},
	"all metadata but a false MD5": {func(w *bucketWriter) {
		w.put(w.body("d1"), func(meta map[string]string) { onlyMD5(meta); meta["md5"] = strings.Repeat("6", 32) })
	}, "", "", "damaged metadata"},
	"no metadata, no catalogue": {func(w *bucketWriter) { w.put(w.body("d1"), func(meta map[string]string) { clear(meta) }); w.forget() },
		"unproven unproven", "damaged metadata", "damaged metadata"},
	"HMAC of another key, no catalogue": {func(w *bucketWriter) {
		keys := w.Secrets(w.other)
		w.put(w.body("d1"), set("firn-key-id", keys.ID()))
		w.forget()
	}, "failed key", "damaged key", "damaged key"},
	"key id of an unknown version, no catalogue": {func(w *bucketWriter) {
		w.put(w.body("d1"), set("firn-key-id", "9-"+strings.Repeat("0", 32)+"-"+strings.Repeat("0", 32)))
		w.forget()
	}, "unproven unproven", "unproven unproven", "unproven unproven"},
	"empty HMAC, no catalogue": {func(w *bucketWriter) { w.put(w.body("d1"), set("firn-hmac-sha256", "")); w.forget() },
		"unproven unproven", "unproven unproven|damaged metadata", "unproven unproven|damaged metadata"},
	"ciphertext blocks swapped": {func(w *bucketWriter) { w.put(spliced(w.body("d1")), set("x", "y")) },
		"failed content", "damaged etag", "damaged content"},
	"ciphertext blocks swapped, no catalogue": {func(w *bucketWriter) { w.put(spliced(w.body("d1")), set("x", "y")); w.forget() },
		"failed content", "adopted", "damaged content"}, // no level but the last reads it
	"random bytes, HMAC stripped": {func(w *bucketWriter) { w.put(bytes.Repeat([]byte("7"), 10_000), onlyMD5) },
		"failed etag", "damaged size", "damaged size"},
	"yesterday's object": {func(w *bucketWriter) {
		key := w.KeyOf("d1")
		w.PutObject(key, w.bodies[key], w.yesterday[key].Meta)
	}, "failed put-back", "damaged put-back", "damaged put-back"},
	"entries of another name, made with the key": {func(w *bucketWriter) {
		body, meta := w.sealed(w.KeyOf("d1"), tarOf(w.T, &tar.Header{Name: "d2/", Typeflag: tar.TypeDir, Mode: 0o777}, &tar.Header{Name: "d2/noise", Typeflag: tar.TypeReg, Mode: 0o4777}))
		w.PutObject(w.KeyOf("d1"), body, meta)
		w.forget()
	}, "failed entries", "adopted", "damaged entries"},
	"a hard link to another's file, made with the key": {func(w *bucketWriter) {
		body, meta := w.sealed(w.KeyOf("d1"), tarOf(w.T, &tar.Header{Name: "d1", Typeflag: tar.TypeLink, Linkname: "d2/noise"}))
		w.PutObject(w.KeyOf("d1"), body, meta)
		w.forget()
	}, "failed entries", "adopted", "damaged entries"},
}

func spliced(b []byte) []byte {
	for i := range 16 {
		b[64+i], b[96+i] = b[96+i], b[64+i]
	}
	return b
}

func TestBucketWriterInADirectory(t *testing.T) {
	t.Parallel()
	for name, a := range bucketWriterAttacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &bucketWriter{Rig: stagestest.NewRig(t)}
			w.forget = w.ForgetCatalogue
			w.attack(a.harm)
			w.check(a.restore, a.quick, a.read)
		})
	}
}

// A rebuild enters nothing of an older run in place of what a newer one lists: what is put back stays
// put back.
func TestBucketWriterDoesNotLaunderByARebuild(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]bool{"read": true, "not read": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &bucketWriter{Rig: stagestest.NewRig(t)}
			w.attack(func(w *bucketWriter) {
				bucketWriterAttacks["yesterday's object"].harm(w)
				w.Must(os.RemoveAll(filepath.Join(w.Root(), ".firn", "lists")))
			})
			o := w.Rebuild(func(b *rebuild.Options) { b.ReadData = read })
			_, lines := w.Lines()
			if said := w.said(o); o.Err != nil || !slices.Equal(said, []string{"damaged put-back"}) || o.Complete(&o.Totals) {
				t.Errorf("rebuild: %q: %v %v", said, o.Err, o.Events)
			}
			if d1, d2 := lines[w.KeyOf("d1")], lines[w.KeyOf("d2")]; d1.Status != catalogue.Failed || !d2.HasObject() || d2.Adopted == read {
				t.Errorf("%+v %+v", d1, d2)
			}
			target, o := w.Restore()
			if _, err := os.Lstat(filepath.Join(target, w.Tree, "d1")); err == nil || o.Err != nil || o.Complete(&o.Totals) {
				t.Errorf("restore: %v %v", o.Err, o.Events)
			}
			w.Diff(filepath.Join(w.Tree, "d2"), filepath.Join(target, w.Tree, "d2"), tree.DiffOptions{})
			if said := w.said(w.Verify()); len(said) > 0 {
				t.Errorf("verify: %q", said)
			}
		})
	}
}

// What a run listed that is away is not taken for what a killed run stored.
func TestBucketWriterTakesARunAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(w *bucketWriter, run string){
		"deleted": func(w *bucketWriter, run string) { w.Must(os.Remove(filepath.Join(w.Root(), run))) },
		"unreadable": func(w *bucketWriter, run string) {
			other := stagestest.NewRig(t)
			stagestest.Write(t, filepath.Join(other.Tree, "file"), "text")
			other.Backup()
			newest, _ := other.Lines()
			w.PutObject(run, other.ReadObject(other.Ledger().RunKey(newest.ID)), map[string]string{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &bucketWriter{Rig: stagestest.NewRig(t)}
			w.attack(func(w *bucketWriter) {
				bucketWriterAttacks["yesterday's object"].harm(w)
				away(w, w.Ledger().RunKey(w.Catalogue().Runs[0].ID))
			})
			target, o := w.Restore()
			if said := w.said(o); o.Err != nil || !slices.Equal(said, []string{"failed"}) || o.Complete(&o.Totals) {
				t.Errorf("restore: %q: %v %v", said, o.Err, o.Events)
			}
			if _, err := os.Lstat(filepath.Join(target, w.Tree, "d1")); err == nil {
				t.Error("it was restored")
			}
			w.Diff(filepath.Join(w.Tree, "d2"), filepath.Join(target, w.Tree, "d2"), tree.DiffOptions{})
			if said := w.said(w.Verify()); !slices.Equal(said, []string{"damaged size"}) {
				t.Errorf("verify: %q", said)
			}
		})
	}
}

// A newer archive without an HMAC, with another compression, does not hide the one that has one.
func TestBucketWriterHidesNothingByAnotherCompression(t *testing.T) {
	t.Parallel()
	w := &bucketWriter{Rig: stagestest.NewRig(t)}
	w.attack(func(w *bucketWriter) {
		w.ForgetCatalogue()
		w.PutObject(strings.TrimSuffix(w.KeyOf("d1"), "gz")+"zst", bytes.Repeat([]byte("7"), 10_000), map[string]string{"md5": strings.Repeat("6", 32)})
	})
	target, o := w.Restore()
	if o.Err != nil || !o.Complete(&o.Totals) || len(o.Of(report.Warning)) != 1 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	w.Diff(w.Tree, filepath.Join(target, w.Tree), tree.DiffOptions{})
	w.MustRebuild()
	if _, lines := w.Lines(); lines[w.KeyOf("d1")].Status != catalogue.Unchanged {
		t.Errorf("%v", lines)
	}
}

// What no run lists is not called intact until it is read: anybody may have written its metadata.
func TestBucketWriterPlantsAnArchive(t *testing.T) {
	t.Parallel()
	w := &bucketWriter{Rig: stagestest.NewRig(t)}
	w.attack(func(w *bucketWriter) {
		junk := append([]byte("Salted__"), bytes.Repeat([]byte("7"), len(w.body("d1"))-8)...)
		head, err := w.Store.Head(t.Context(), w.KeyOf("d1"), "")
		w.Must(err)
		w.PutObject(w.KeyOf("d4"), junk, head.Meta)
	})
	planted := filepath.Join(filepath.Dir(w.KeyOf("d1")), "d4")
	for level, kind := range map[verify.Level]report.Kind{verify.Default: report.Adopted, verify.ReadData: report.Damaged} {
		o := w.Verify(func(v *verify.Options) { v.Level = level })
		if got := o.Of(kind); !slices.Equal(got, []string{planted}) || o.Totals.Checks.Verified.Load() != 3 || o.Complete(&o.Totals) != (kind == report.Adopted) {
			t.Errorf("level %d: %q %v", level, got, o.Events)
		}
	}
	if o := w.Rebuild(func(b *rebuild.Options) { b.ReadData = false }); o.Err != nil {
		t.Fatal(o.Err)
	}
	for _, level := range []verify.Level{verify.Quick, verify.Default} {
		if o := w.Verify(func(v *verify.Options) { v.Level = level }); !slices.Contains(o.Of(report.Adopted), planted) || o.Totals.Checks.Verified.Load() != 0 || !o.Complete(&o.Totals) {
			t.Errorf("adopted, level %d: %v", level, o.Events)
		}
	}
}

// Names of metadata have no case; a directory store, unlike S3, can keep two spellings of one.
func TestBucketWriterOfMetadataNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change        func(meta map[string]any)
		restore, read string
	}{
		"all in upper case": {func(meta map[string]any) {
			for name, value := range maps.Clone(meta) {
				delete(meta, name)
				meta[strings.ToUpper(name)] = value
			}
		}, "", ""},
		"a second MD5":  {func(meta map[string]any) { meta["Md5"], meta["md5"] = meta["md5"], strings.Repeat("6", 32) }, "failed content", "damaged content"},
		"a second HMAC": {func(meta map[string]any) { meta["Firn-Hmac-Sha256"] = strings.Repeat("6", 64) }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &bucketWriter{Rig: stagestest.NewRig(t)}
			w.attack(func(w *bucketWriter) {
				w.ForgetCatalogue()
				dir, base := filepath.Split(filepath.Join(w.Root(), w.KeyOf("d1")))
				file := filepath.Join(dir, "."+base+".firn-meta")
				text, err := os.ReadFile(file)
				w.Must(err)
				var sidecar map[string]any
				w.Must(json.Unmarshal(text, &sidecar))
				for _, o := range sidecar["objects"].([]any) {
					c.change(o.(map[string]any)["meta"].(map[string]any))
				}
				text, err = json.Marshal(sidecar)
				w.Must(err)
				w.Must(os.WriteFile(file, text, 0o600))
			})
			w.check(c.restore, "adopted", c.read)
		})
	}
}

func TestBucketWriterOnS3(t *testing.T) {
	s := stagestest.NewSite(t)
	for i, name := range slices.Sorted(maps.Keys(bucketWriterAttacks)) {
		t.Run(name, func(t *testing.T) {
			a, site := bucketWriterAttacks[name], s.With(t, fmt.Sprint("attacked-", i))
			w := &bucketWriter{Rig: site.Rig, forget: func() {
				for _, key := range site.Keys() {
					if strings.HasPrefix(key, ".firn/") {
						site.Delete(strings.Fields(key)[0], "")
					}
				}
			}}
			w.attack(a.harm)
			w.check(a.restore, a.quick, a.read)
		})
	}
}

// Where the bucket keeps versions, what is put on top of one changes nothing.
func TestBucketWriterOverAVersion(t *testing.T) {
	for _, name := range []string{"yesterday's object", "random bytes, HMAC stripped", "HMAC stripped"} {
		s := stagestest.NewSite(t, harness.Versioning())
		w := &bucketWriter{Rig: s.Rig}
		w.attack(bucketWriterAttacks[name].harm)
		w.check("", "", "")
	}
}

// attack saves a tree twice, and harms what is stored.
func (w *bucketWriter) attack(harm func(*bucketWriter)) {
	w.T.Helper()
	for i, name := range []string{"d1", "d2"} {
		stagestest.Noise(w.T, filepath.Join(w.Tree, name, "noise"), int64(60+i), 8000)
	}
	w.Backup()
	w.yesterday, w.bodies = w.Objects(), map[string][]byte{}
	for key := range w.yesterday {
		w.bodies[key] = w.ReadObject(key)
	}
	stagestest.Noise(w.T, filepath.Join(w.Tree, "d1", "noise"), 70, 9000)
	if o := w.Backup(); o.Err != nil || !o.Complete(&o.Totals) {
		w.T.Fatalf("%v %v", o.Err, o.Events)
	}
	w.other = filepath.Join(w.T.TempDir(), "other")
	w.Must(encryption.CreateKeyfile(w.other))
	harm(w)
}

// said are the kinds and problems of the events about d1.
func (w *bucketWriter) said(o *stagestest.Outcome) (said []string) {
	for _, e := range o.Events {
		if filepath.Base(e.Path) == "d1" && !slices.Contains([]report.Kind{report.Lost, report.Notice, report.Warning}, e.Kind) {
			said = append(said, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Problem)))
		}
	}
	return said
}

func (w *bucketWriter) check(restored, quick, read string) {
	t := w.T
	t.Helper()
	target, o := w.Restore()
	want := restored
	if want == "" {
		want = "restored"
	}
	if said := w.said(o); o.Err != nil || !slices.Equal(said, []string{want}) || o.Complete(&o.Totals) != (restored == "") {
		t.Errorf("restore: %q, not %q: %v %v", said, want, o.Err, o.Events)
	}
	w.Diff(filepath.Join(w.Tree, "d2"), filepath.Join(target, w.Tree, "d2"), tree.DiffOptions{})
	if restored == "" {
		w.Diff(w.Tree, filepath.Join(target, w.Tree), tree.DiffOptions{})
	} else if _, err := os.Lstat(filepath.Join(target, w.Tree, "d1")); err == nil {
		t.Error("something of it was written")
	}
	for level, want := range map[verify.Level]string{verify.Quick: quick, verify.Default: read, verify.ReadData: read} {
		o := w.Verify(func(v *verify.Options) { v.Level = level })
		if level == verify.Default && slices.Contains([]string{"", "damaged content", "damaged entries"}, read) {
			want = quick
		}
		if level == verify.Quick && o.Err != nil { // there is no catalogue to compare with
			continue
		}
		if want == "" {
			want = "verified"
		}
		said := w.said(o)
		if len(said) != 1 || !slices.Contains(strings.Split(want, "|"), said[0]) || o.Complete(&o.Totals) != (want == "verified") {
			t.Errorf("verify at level %d: %q, not %q: %v", level, said, want, o.Events)
		}
	}
}

// A whole bucket of the old script, made by hand, comes back when that is asked for, without what
// could do harm; a rebuild enters it, and lends it no proof.
func TestOldScriptBucket(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	r := stagestest.NewRig(t)
	stagestest.Noise(t, filepath.Join(r.Tree, "proven", "noise"), 80, 5000)
	r.Backup()
	const script = `
import tarfile, io, sys
t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|gz', format=tarfile.PAX_FORMAT)
def add(name, **k):
    i = tarfile.TarInfo('old/' + name if name else 'old')
    data = k.pop('data', b'')
    i.mode, i.uid, i.gid = 0o644, 1234, 1234
    for a, v in k.items(): setattr(i, a, v)
    i.size = len(data)
    t.addfile(i, io.BytesIO(data))
add('', type=tarfile.DIRTYPE, mode=0o6755)
add('file', data=b'content', mode=0o640)
add('program', data=b'#!/bin/sh', mode=0o6755)
add('mine', data=b'#!/bin/sh', mode=0o4755, uid=0, gid=0)
add('disk', type=tarfile.BLKTYPE, devmajor=8, devminor=0)
add('null', type=tarfile.CHRTYPE, devmajor=1, devminor=3)
cap = bytes([1,0,0,2, 255,255,255,255, 0,0,0,0, 0,0,0,0, 0,0,0,0]).decode('latin-1')
add('able', data=b'x', mode=0o755, uid=0, gid=0, pax_headers={'SCHILY.xattr.security.capability': '\x01\x00\x00\x02' + '\x7f\x00\x00\x00' * 4, 'SCHILY.xattr.trusted.x': 'y', 'SCHILY.xattr.user.x': 'y'})
t.close()`
	plain := []byte(r.Command(exec.Command("python3", "-c", script)))
	sum := md5.Sum(plain)
	r.PutObject("srv/old.tar.gz", pipeBytes(t, plain, "openssl", "enc", "-e", "-aes-256-cbc", "-pbkdf2", "-pass", "file:"+r.Keyfile), map[string]string{"md5": hex.EncodeToString(sum[:])})

	restored := func(unproven bool) (string, *stagestest.Outcome) {
		target := t.TempDir()
		o := r.RestoreWith(target, r.Keyfile, func(o *restore.Options) { o.Unproven = unproven })
		r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
		return filepath.Join(target, "srv", "old"), o
	}
	if dir, o := restored(false); o.Err != nil || !slices.Equal(o.Of(report.Unproven), []string{"srv/old"}) || o.Complete(&o.Totals) {
		t.Errorf("%v %v", o.Err, o.Events)
	} else if _, err := os.Lstat(dir); err == nil {
		t.Error("it was restored")
	}
	check := func() {
		t.Helper()
		dir, o := restored(true)
		if o.Err != nil || len(o.Of(report.Warning)) != 1 || len(o.Of(report.Unproven)) != 0 || !slices.Equal(o.Of(report.Entry), []string{"old/disk", "old/null"}) {
			t.Fatalf("%v %v", o.Err, o.Events)
		}
		for name, mode := range map[string]string{"": "755 0 0", "file": "640 0 0", "program": "755 0 0", "mine": "755 0 0", "able": "755 0 0"} {
			if got := strings.TrimSpace(r.Command(exec.Command("stat", "-c", "%a %u %g", filepath.Join(dir, name)))); got != mode {
				t.Errorf("%q: %s, not %s", name, got, mode)
			}
		}
		attrs := r.Command(exec.Command("getfattr", "-d", "-m", "-", "--absolute-names", filepath.Join(dir, "able")))
		if strings.Contains(attrs, "security.capability") || strings.Contains(attrs, "trusted") || !strings.Contains(attrs, "user.x") {
			t.Errorf("%s", attrs)
		}
		for _, name := range []string{"disk", "null"} {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				t.Errorf("%s is there", name)
			}
		}
	}
	check()
	r.ForgetCatalogue()
	o := r.Rebuild()
	_, lines := r.Lines()
	if line := lines["srv/old.tar.gz"]; o.Err != nil || o.Complete(&o.Totals) || !slices.Equal(o.Of(report.Unproven), []string{"srv/old"}) || line.HMAC != "" || line.KeyID != "" || line.MD5 == "" {
		t.Errorf("%v %v %+v", o.Err, o.Events, line)
	}
	for _, level := range []verify.Level{verify.Quick, verify.Default, verify.ReadData} {
		o := r.Verify(func(v *verify.Options) { v.Level = level })
		if o.Err != nil || !slices.Equal(o.Of(report.Unproven), []string{"srv/old"}) || slices.Contains(o.Of(report.Verified), "srv/old") || o.Complete(&o.Totals) {
			t.Errorf("level %d: %v %v", level, o.Err, o.Events)
		}
	}
	check() // and so do the lists of a catalogue: nothing of the archive is believed by them
}

// What a killed run stored is restored by its own record, which is told: it is not what any run
// stored.
func TestRestoreOfWhatAKilledRunStored(t *testing.T) {
	t.Parallel()
	r := stagestest.NewRig(t)
	r.PlantSmall(90, 10_000)
	r.Backup()
	r.Store = r.SavedBeside() // its catalogue tells of that
	runs, _, err := r.Ledger().Runs(t.Context())
	r.Must(err)
	newest := runs[len(runs)-1]
	for _, key := range slices.Concat([]string{".firn/runs/" + newest.ID + ".json.gz"}, newest.Manifest, newest.Packs) {
		r.Must(os.Remove(filepath.Join(r.Root(), key)))
	}
	target, o := r.Restore()
	told := slices.DeleteFunc(slices.Clone(o.Events), func(e report.Event) bool { return e.Kind != report.NoCatalogue })
	if o.Err != nil || o.Complete(&o.Totals) || len(told) != 1 || told[0].Key != r.KeyOf("big") || o.Totals.Failed.Load() != 0 {
		t.Errorf("%v %v", o.Err, o.Events)
	}
	r.Diff(r.Tree, filepath.Join(target, r.Tree), tree.DiffOptions{})
}
