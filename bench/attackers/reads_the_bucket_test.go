package attackers_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seen is everything that whoever reads a bucket sees of an object: key, metadata and bytes.
func (h *host) seen() (all map[string][]byte) {
	h.Helper()
	all = map[string][]byte{}
	for _, key := range h.keys() {
		o, body := h.object(key)
		meta, err := json.Marshal(o.Meta)
		h.must(err)
		all[key] = bytes.Join([][]byte{[]byte(key), meta, body}, []byte("\n"))
	}
	return all
}

// TestWhatTheBucketShows: paths down to the depth, and of what lies below it neither names nor content.
// Nothing shows the key file, not even to who has two buckets that were made with it.
func TestWhatTheBucketShows(t *testing.T) {
	onBoth(t, func(h *host) {
		h.write("tree/d1/hidden-name/hidden-file", strings.Repeat("hidden-content ", 100))
		h.night()
		h.write("tree/d1/hidden-name/hidden-too", "hidden-content")
		h.night()
		passphrase, err := os.ReadFile(h.key)
		h.must(err)
		passphrase, _, _ = bytes.Cut(passphrase, []byte("\n"))
		host, err := os.Hostname()
		h.must(err)
		shown := false
		for key, seen := range h.seen() {
			shown = shown || key == archive("d1")
			if o, _ := h.object(key); slices.Contains(slices.Collect(maps.Values(o.Meta)), host) {
				h.Errorf("%s shows the name of the host", key)
			}
			// In a run, the name of the host comes after "host": it may be a short one.
			for _, secret := range []string{"hidden-name", "hidden-file", "hidden-too", "hidden-content", string(passphrase), string(passphrase[:16]), `"host":`} {
				if bytes.Contains(seen, []byte(secret)) {
					h.Errorf("%s shows %q", key, secret)
				}
			}
		}
		if !shown {
			h.Error("d1 is at the depth, and its name is not shown")
		}
	})
}

// TestDepthZeroShowsNoName below the backup path. (No name here is one that hexadecimal digits can have.)
func TestDepthZeroShowsNoName(t *testing.T) {
	h := newHost(t, "file")
	for _, name := range []string{"d1", "d2"} {
		h.must(os.Rename(filepath.Join(h.tree, name), filepath.Join(h.tree, "hidden-"+name)))
	}
	h.write("tree/hidden-name", "text")
	h.backup("--depth", "0").exits(0)
	for key, seen := range h.seen() {
		if bytes.Contains(seen, []byte("hidden-")) {
			h.Errorf("%s shows a name", key)
		}
	}
}

// TestWhatEqualContentShows: the MD5 and the SHA-256 of the content before encryption, which confirm a
// guess of all of it. Every object has a salt, and so a ciphertext, of its own; the key id does not tell
// that two hosts have one key file.
func TestWhatEqualContentShows(t *testing.T) {
	a, b := newHost(t, "file"), newHost(t, "file")
	a.command("cp", "-a", a.tree+"/.", b.tree)
	a.night()
	a.command("cp", "-a", a.key, b.key)
	b.night()
	salts := map[string]string{}
	for _, h := range []*host{a, b} {
		for key := range h.seen() {
			if _, body := h.object(key); bytes.HasPrefix(body, []byte("Salted__")) {
				if other, twice := salts[string(body[:16])]; twice {
					t.Errorf("%s and %s have one salt", key, other)
				}
				salts[string(body[:16])] = key
			} else if filepath.Ext(key) == ".gz" {
				t.Errorf("%s is not encrypted", key)
			}
		}
	}
	oa, bodyA := a.object(archive("d1"))
	ob, bodyB := b.object(archive("d1"))
	if bytes.Contains(bodyA, bodyB[16:]) || oa.Meta["firn-key-id"] == ob.Meta["firn-key-id"] || oa.Meta["firn-hmac-sha256"] == ob.Meta["firn-hmac-sha256"] {
		t.Errorf("%v is seen to be of one key file with %v", oa.Meta, ob.Meta)
	}
	if oa.Meta["md5"] != ob.Meta["md5"] || oa.Meta["firn-tar-sha256"] != ob.Meta["firn-tar-sha256"] {
		t.Errorf("%v is not seen to be equal to %v", maps.Clone(oa.Meta), ob.Meta)
	}
}
