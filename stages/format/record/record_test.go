package record

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func full() Record {
	return Record{
		Format: 1, MD5: strings.Repeat("0a", 16), TarSHA256: strings.Repeat("1b", 32), HMAC: strings.Repeat("2c", 32),
		KeyID: "k-1", ArchiveSize: 123, TarSize: 1 << 45, Changed: true,
		Version: "v7", ETag: "e-2", Class: "GLACIER", ObjectSize: 144,
		Saved: time.Date(2026, 11, 23, 20, 40, 1, 0, time.UTC),
	}
}

func TestMetaRoundTrip(t *testing.T) {
	r := full()
	meta := r.Meta()
	want := map[string]string{
		"md5": r.MD5, "firn-format": "1", "firn-tar-sha256": r.TarSHA256, "firn-hmac-sha256": r.HMAC,
		"firn-key-id": "k-1", "firn-archive-size": "123", "firn-tar-size": "35184372088832", "firn-changed": "true",
	}
	if d := cmp.Diff(want, meta); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	got, err := FromMeta(meta)
	if err != nil {
		t.Fatal(err)
	}
	r.Version, r.ETag, r.Class, r.ObjectSize, r.Saved = "", "", "", 0, time.Time{}
	if d := cmp.Diff(r, got); d != "" {
		t.Errorf("record read back (-want +got):\n%s", d)
	}
	r.Changed = false
	if _, ok := r.Meta()["firn-changed"]; ok {
		t.Error("firn-changed is written for an archive that did not change")
	}
}

func TestAttributesRoundTrip(t *testing.T) {
	for _, r := range []Record{full(), {Format: 1, MD5: full().MD5, KeyID: "k"}, {MD5: full().MD5}, {}} {
		got, err := FromAttributes(r.Attributes())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Errorf("record read back (-want +got):\n%s", d)
		}
	}
	for _, a := range full().Attributes() {
		if isSize := strings.HasSuffix(a.Name, "-size") || a.Name == "firn-format"; a.Number != isSize {
			t.Errorf("%s: Number is %v", a.Name, a.Number)
		}
	}
}

func TestFromMeta(t *testing.T) {
	md5 := full().MD5
	tests := []struct {
		name string
		meta map[string]string
		want Record
		bad  bool
	}{
		{name: "none"},
		{name: "old script", meta: map[string]string{"md5": md5}, want: Record{MD5: md5}},
		{name: "server that capitalises", meta: map[string]string{"Md5": strings.ToUpper(md5), "Firn-Format": "1"}, want: Record{Format: 1, MD5: md5}},
		{name: "someone else's object", meta: map[string]string{"md5chksum": "x", "firn-format": "1"}},
		{name: "unknown names", meta: map[string]string{"md5": md5, "firn-colour": "white", "firn-etag": "not ours to say"}, want: Record{MD5: md5}},
		{name: "newer format", meta: map[string]string{"md5": md5, "firn-format": "2"}, want: Record{Format: 2, MD5: md5}},
		{name: "md5 too short", meta: map[string]string{"md5": "abcd"}, bad: true},
		{name: "md5 in base64", meta: map[string]string{"md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, bad: true},
		{name: "empty md5", meta: map[string]string{"md5": ""}, bad: true},
		{name: "negative size", meta: map[string]string{"md5": md5, "firn-tar-size": "-1"}, bad: true},
		{name: "size overflows", meta: map[string]string{"md5": md5, "firn-archive-size": "9223372036854775808"}, bad: true},
		{name: "format zero", meta: map[string]string{"md5": md5, "firn-format": "0"}, bad: true},
		{name: "changed", meta: map[string]string{"md5": md5, "firn-changed": "perhaps"}, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FromMeta(tt.meta)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestSameContent(t *testing.T) {
	base := full()
	with := func(f func(*Record)) Record { r := base; f(&r); return r }
	other := strings.Repeat("ff", 16)
	tests := []struct {
		name   string
		stored Record
		want   bool
	}{
		{"the same", base, true},
		{"nothing stored", Record{}, false},
		{"old script, equal", Record{MD5: base.MD5}, true},
		{"old script, other", Record{MD5: other}, false},
		{"newer codec: other MD5, same tar", with(func(r *Record) { r.MD5 = other }), true},
		{"other tar, same MD5", with(func(r *Record) { r.TarSHA256 = "" }), true},
		{"other content", with(func(r *Record) { r.MD5, r.TarSHA256 = other, "" }), false},
		{"other key", with(func(r *Record) { r.KeyID = "k-2" }), false},
		{"key not told", with(func(r *Record) { r.KeyID = "" }), false},
	}
	for _, tt := range tests {
		if got := tt.stored.SameContent(base); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if (Record{}).SameContent(Record{}) || (Record{Format: 1}).SameContent(Record{Format: 1}) {
		t.Error("empty records prove something")
	}
}

// FuzzFromMeta: whatever is read is written so that it reads the same again.
func FuzzFromMeta(f *testing.F) {
	f.Add("md5", full().MD5, "firn-format", "1")
	f.Add("MD5", strings.ToUpper(full().MD5), "firn-changed", "T")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		r, err := FromMeta(map[string]string{"md5": full().MD5, n1: v1, n2: v2})
		if err != nil {
			return
		}
		again, err := FromMeta(maps.Clone(r.Meta()))
		if err != nil {
			t.Fatal(err)
		}
		if r.Format > 0 && r != again {
			t.Errorf("%+v read back as %+v", r, again)
		}
	})
}
