package attackers_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An answer is what a command does about a forged archive: its exit code, and what the one line that
// names the archive says; "" is no line.
type answer struct {
	code int
	line string
}

// A forgery is what somebody who may write to the bucket, and has no key file, does to the archive of
// d1, which was stored once before the last night.
type forgery struct {
	name          string
	do            func(n *forged)
	restore       answer
	check, read   answer // verify, and with --read-data
	backup        answer
	restored      string // the text that is restored; "": none
	metadataAlone bool   // the archive is what it was, so the next backup leaves it
}

type forged struct {
	*host
	yesterday func() // puts back what was stored the night before
}

// meta changes the metadata of d1 alone.
func meta(change func(map[string]string)) func(*forged) {
	return func(n *forged) {
		n.change(archive("d1"), func(body []byte, meta map[string]string) []byte { change(meta); return body })
	}
}

// body changes the bytes of d1 alone.
func body(change func([]byte) []byte) func(*forged) {
	return func(n *forged) {
		n.change(archive("d1"), func(body []byte, _ map[string]string) []byte { return change(body) })
	}
}

// another stores the archive of d2 in the place of d1.
func another(change func(map[string]string)) func(*forged) {
	return func(n *forged) {
		o, body := n.object(archive("d2"))
		change(o.Meta)
		n.put(archive("d1"), body, o.Meta)
	}
}

func noCatalogue(do func(*forged)) func(*forged) {
	return func(n *forged) { do(n); n.forget(".firn/") }
}

func onlyMD5(meta map[string]string) {
	maps.DeleteFunc(meta, func(name, _ string) bool { return name != "md5" })
}

func set(name, value string) func(map[string]string) {
	return func(meta map[string]string) { meta[name] = value }
}

// random bytes, as long as what they replace, that begin as what openssl writes.
func random(b []byte) []byte {
	for i := 16; i < len(b); i++ {
		b[i] ^= byte(7*i + 1)
	}
	return b
}

// spliced exchanges blocks of the ciphertext.
func spliced(b []byte) []byte {
	for i := range 16 {
		b[64+i], b[96+i] = b[96+i], b[64+i]
	}
	return b
}

var (
	unread    = answer{3, ``} // nothing is proven, for there is no catalogue and no content was read
	again     = answer{0, `warning: .*it is not the object that was recorded: .*or somebody replaced it; it is stored again; .*check who may write to the store`}
	afterLoss = answer{3, again.line} // of the catalogue, which is told too
	notKept   = answer{3, `not restored: .*: the archive is not what was saved: .*; nothing of it was extracted`}
	otherTag  = answer{3, `damaged: .*: its ETag is .*, and was .* when it was stored`}
	otherSize = answer{3, `damaged: .*: it has \d+ bytes, and had \d+ when it was stored`}
	otherMeta = answer{3, `damaged: .*: its metadata `}
	noProof   = answer{3, `unproven: .*: it has an MD5 and no HMAC: .*anybody else who may write to the store`}
	content   = answer{3, `damaged: .*: its HMAC does not fit its key and content`}
	noise     = answer{3, `damaged: .*: (wrong key file, or the encrypted archive is damaged|its HMAC does not fit)`} // noise ends in good padding one time in 256
	otherPath = answer{3, `damaged: .*: its entries are not those of the path that its key says`}
	putBack   = answer{3, `: the store has the content of run .* in place of what run .* stored, so it was put back: nothing of it is used`}
)

var forgeries = []forgery{
	{name: "random bytes, old metadata", do: body(random), restore: notKept, check: otherTag, read: noise, backup: again},
	{name: "another archive with its metadata", do: another(func(map[string]string) {}), restore: notKept, check: otherSize, read: content, backup: again},
	{name: "another archive with its MD5, no catalogue", do: noCatalogue(another(onlyMD5)), restore: noProof, check: noProof, read: otherPath, backup: afterLoss},
	{name: "blocks exchanged", do: body(spliced), restore: notKept, check: otherTag, read: content, backup: again},
	{name: "blocks exchanged, no catalogue", do: noCatalogue(body(spliced)), restore: notKept, check: unread, read: content, backup: afterLoss},
	{name: "yesterday's object", do: func(n *forged) { n.yesterday() }, restore: putBack, check: putBack, read: putBack, backup: again},
	{name: "yesterday's object, no catalogue", do: noCatalogue(func(n *forged) { n.yesterday() }), check: unread, restored: "first", backup: afterLoss},

	{name: "no HMAC", do: meta(func(m map[string]string) { delete(m, "firn-hmac-sha256") }), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "an empty HMAC", do: meta(set("firn-hmac-sha256", "")), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "an MD5 alone", do: meta(onlyMD5), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "a false MD5 alone", do: meta(func(m map[string]string) { onlyMD5(m); m["md5"] = strings.Repeat("6", 32) }), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "no metadata", do: meta(func(m map[string]string) { clear(m) }), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "a foreign key id", do: meta(set("firn-key-id", foreign)), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "a key id of another version", do: meta(set("firn-key-id", "9"+foreign[1:])), check: otherMeta, read: otherMeta, restored: "changed since", metadataAlone: true},
	{name: "an MD5 alone, no catalogue", do: noCatalogue(meta(onlyMD5)), restore: noProof, check: noProof, read: noProof, backup: answer{3, ""}, metadataAlone: true},
}

var foreign = "1-" + strings.Repeat("0a", 16) + "-" + strings.Repeat("0b", 16)

func TestForgedArchives(t *testing.T) {
	onBoth(t, func(h *host) {
		n := &forged{host: h}
		h.night()
		o, body := h.object(archive("d1"))
		n.yesterday = func() { h.put(archive("d1"), body, o.Meta) }
		h.write("tree/d1/text", "changed since")
		h.night()
		putBack := h.keep()
		all := h.T
		for _, f := range forgeries {
			if f.metadataAlone && !strings.HasPrefix(h.bucket, "file:") {
				continue // they need no server: a directory store keeps metadata beside the files
			}
			all.Run(f.name, func(t *testing.T) {
				h.T = t
				defer func() { h.T = all }()
				putBack()
				f.do(n)
				n.answers(f)
			})
		}
	})
}

func (n *forged) answers(f forgery) {
	n.Helper()
	target, s := n.restore()
	s.exits(f.restore.code).about("tree/d1", f.restore.line)
	n.same(filepath.Join(n.tree, "d2"), filepath.Join(target, "d2"))
	if f.restored == "" {
		n.missing(filepath.Join(target, "d1"))
	} else if b, err := os.ReadFile(filepath.Join(target, "d1", "text")); string(b) != f.restored {
		n.Errorf("restored %q, %v", b, err)
	}
	for level, want := range map[string]answer{"": f.check, "--read-data": f.read} {
		s := n.verify(level).exits(want.code).about("tree/d1", want.line)
		if want.code != 0 {
			s.lacks("checked is intact")
		}
	}
	n.backup().exits(f.backup.code).about("tree/d1", f.backup.line)
	if !f.metadataAlone {
		n.verify("--read-data").exits(0).has("checked is intact")
	}
}

// TestBytesUnderTheirOldDescription: who may write to a directory store may keep its description of an
// object, checksum and time included, over other bytes. So he is the store that lies, and only who reads
// the bytes notices, which a backup does not; nothing of them is extracted.
func TestBytesUnderTheirOldDescription(t *testing.T) {
	h := newHost(t, "file")
	h.night()
	file := filepath.Join(h.dir, "store", archive("d1"))
	info, err := os.Stat(file)
	h.must(err)
	body, err := os.ReadFile(file)
	h.must(err)
	h.must(os.WriteFile(file, random(body), 0o600))
	h.must(os.Chtimes(file, info.ModTime(), info.ModTime()))
	target, s := h.restore()
	s.exits(3).about("tree/d1", `not restored: .*the archive is not what was saved`)
	h.missing(filepath.Join(target, "d1"))
	h.same(filepath.Join(h.tree, "d2"), filepath.Join(target, "d2"))
	h.verify("--read-data").exits(3).about("tree/d1", `damaged: `).lacks("checked is intact")
	h.verify("").exits(3).about("tree/d1", `damaged: .*CRC-32C`)
	h.backup().exits(0).has("4 unchanged and not read") // it reads no archive
}

// TestNamesOfMetadata: they have no case. A directory store, unlike S3, may have two spellings of one.
func TestNamesOfMetadata(t *testing.T) {
	h := newHost(t, "file")
	h.night()
	h.forget(".firn/")
	sidecar := filepath.Join(h.dir, "store", "tree", ".d1.tar.gz.firn-meta")
	text, err := os.ReadFile(sidecar)
	h.must(err)
	h.must(os.WriteFile(sidecar, []byte(strings.NewReplacer(`"md5"`, `"MD5"`, `"firn-hmac`, `"Firn-HMAC`, `"firn-key`, `"FIRN-KEY`).Replace(string(text))), 0o600))
	h.healthy()
	h.must(os.WriteFile(sidecar, []byte(strings.Replace(string(text), `"md5":"`, `"md5":"`+strings.Repeat("6", 32)+`","MD5":"`, 1)), 0o600))
	target, s := h.restore()
	s.about("tree/d1", map[int]string{3: `not restored: .*nothing of it was extracted`}[s.code])
	if s.code == 3 {
		h.missing(filepath.Join(target, "d1"))
	} else {
		h.same(h.tree, target)
	}
}

// TestHugeObjects: what lies in the place of an object of the catalogue is not fetched beyond the size
// that its kind allows, and spoils nothing else.
func TestHugeObjects(t *testing.T) {
	onBoth(t, func(h *host) {
		h.night()
		h.write("tree/d1/text", "changed since")
		run := h.night().run()
		putBack := h.keep()
		for key, size := range map[string]int64{
			".firn/runs/" + run + ".json.gz": 400 << 20, ".firn/manifests/" + run + "-001.jsonl.gz": 400 << 20, ".firn/lists/" + run + "-001.jsonl.gz": 20 << 30,
		} {
			h.inflate(key, size)
			h.verify("").exits(3).about(key, `damaged: .* is not what was written: .* bytes; firn makes none of its kind larger than \d+`).lacks("checked is intact").little()
			target, s := h.restore()
			s.little()
			if !strings.Contains(key, "lists") { // which a restore of everything does not need
				s.exits(3).about(key, `the catalogue: .*can't be read: .* bytes; firn makes none of its kind larger than`)
			}
			h.same(h.tree, target)
			h.backup().little()
			putBack()
		}
	})
}

// little checks that a command took little memory for what it was given.
func (s said) little() {
	s.Helper()
	if peak := s.usage.Maxrss >> 10; peak > 200 {
		s.Errorf("%s took %d MiB of memory", s.name, peak)
	}
}

// TestPlantedArchives: what has a key that no run stored is named by what it is, and taken for nothing
// else. What another key file made does not stop the backup of every night.
func TestPlantedArchives(t *testing.T) {
	onBoth(t, func(h *host) {
		h.night()
		o, body := h.object(archive("d1"))
		h.put(archive("mine"), body, o.Meta)
		stripped := maps.Clone(o.Meta)
		onlyMD5(stripped)
		h.put(archive("old"), body, stripped)
		stripped = maps.Clone(o.Meta)
		stripped["firn-key-id"] = foreign
		h.put(archive("foreign"), body, stripped)
		target, s := h.restore()
		s.exits(0)
		h.same(h.tree, target)
		h.verify("--read-data").exits(3).has(`^firn: damaged: tree/mine .*HMAC`).has(`^firn: damaged: tree/old .*path that its key says`).
			has(`^other key +1 archive`).has(`^unknown +3 archives`).lacks("checked is intact")
		h.write("tree/d1/text", "changed since")
		h.backup().exits(0)
		h.forget(".firn/")
		target, s = h.restore()
		s.exits(3).about("tree/mine", `not restored: .*HMAC does not fit its key`).about("tree/old", noProof.line).about("tree/foreign", `not restored: .*it was made with another key file`)
		h.same(h.tree, target)
	})
}

// TestReplacedRecoveryFiles: another restore.sh or RECOVER.txt is told by verify and by every backup. One
// that says that it is firn's is put back, whatever revision it claims; one that says nothing is not: it
// may be a user's own.
func TestReplacedRecoveryFiles(t *testing.T) {
	const forged = "#!/bin/sh\n# firn recovery file\nmail -s key mallory <firn.key\n"
	onBoth(t, func(h *host) {
		h.night()
		for _, key := range []string{"restore.sh", "RECOVER.txt"} {
			_, genuine := h.object(key)
			h.say("version", exec.Command(program, "version", "--recovery")).exits(0).has(fmt.Sprintf("%x +%s", sha256.Sum256(genuine), key))
			for _, f := range []struct {
				body, revision string
				verify         answer
				stays          bool
			}{
				{forged, "4", answer{3, `damaged: .*it is not what firn stored: .*do not run`}, false},
				{forged, "", answer{3, `damaged: .*it is not what firn stored: .*do not run`}, false},
				{forged, "999999", answer{3, `damaged: .*it is not what firn stored: .*do not run`}, false},
				{"#!/bin/sh\nmail -s key mallory <firn.key\n", "", answer{3, `damaged: .*firn did not make this object.*do not run`}, true},
			} {
				h.change(key, func(_ []byte, meta map[string]string) []byte {
					meta["firn-recover-revision"] = f.revision
					if f.revision == "" {
						clear(meta)
					}
					return []byte(f.body)
				})
				h.verify("").exits(f.verify.code).about(key, f.verify.line)
				h.backup().exits(0).about(key, `warning: .*do not run`)
				if _, body := h.object(key); (string(body) == string(genuine)) == f.stays {
					h.Errorf("%s, revision %q: there is now %q", key, f.revision, body)
				}
				h.put(key, genuine, nil)
			}
		}
		h.inflate("restore.sh", 400<<20)
		h.backup().exits(0).about("restore.sh", `warning: .*do not run`).little()
		h.healthy()
	})
}

// TestPlantedNames: keys are printed without what a terminal would obey, and no name is ever run, least
// of all by the restore.sh of the bucket.
func TestPlantedNames(t *testing.T) {
	onBoth(t, func(h *host) {
		h.night()
		o, body := h.object(archive("d1"))
		for _, name := range []string{"|e touch pwned;#|", "$(touch pwned)", "\x1b]0;pwned\x07\x1b[2J", "\u009b2J\u202egnp", "two\nlines"} {
			h.put("tree/"+name+".tar.gz", body, o.Meta)
		}
		for _, s := range []said{h.verify("--read-data"), h.backup(), h.firn("list"), h.firn("verify", "--json")} {
			s.lacks(control)
		}
		target, s := h.restore()
		s.exits(0).lacks(control)
		h.same(h.tree, target)
		if h.bucket != h.store.URL() {
			return // the script reads a bucket with the AWS CLI
		}
		target, s = h.byHand()
		s.exits(3)
		h.same(h.tree, target)
		h.missing(filepath.Join(h.dir, "pwned"))
	})
}
