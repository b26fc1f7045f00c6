package catalogue_test

import (
	"archive/tar"
	"testing"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/format/tarfmt"
)

func TestRecordOfSubtree(t *testing.T) {
	full := record.Record{
		Format: record.Format, MD5: "m", TarSHA256: "s", HMAC: "h", KeyID: "k", ArchiveSize: 1, TarSize: 2,
		Version: "v", ETag: "e", Class: "c", ObjectSize: 3, Saved: time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC),
	}
	old := record.Record{MD5: "m", ETag: "e", ObjectSize: 3}
	for _, r := range []record.Record{{}, old, full} {
		s := catalogue.Subtree{Path: "p", Key: "k", Status: catalogue.Saved, Entries: 7, Version: "stale", HMAC: "stale"}
		s.SetRecord(r)
		if got := s.Record(); got != r {
			t.Errorf("%+v came back as %+v", r, got)
		}
		if s.Path != "p" || s.Key != "k" || s.Status != catalogue.Saved || s.Entries != 7 {
			t.Errorf("SetRecord changed more than the record: %+v", s)
		}
	}
	local := full
	local.Saved = full.Saved.In(time.FixedZone("", 3600))
	var s catalogue.Subtree
	if s.SetRecord(local); s.Record() != full {
		t.Errorf("a time of another zone is not written in UTC: %+v", s)
	}
}

// Entries of both kinds of headers are the same, and the type flag comes back.
func TestEntryTypes(t *testing.T) {
	for flag, kind := range map[byte]string{
		tar.TypeReg: catalogue.File, tar.TypeLink: catalogue.Hardlink, tar.TypeSymlink: catalogue.Symlink, tar.TypeChar: catalogue.CharDev,
		tar.TypeBlock: catalogue.BlockDev, tar.TypeDir: catalogue.Directory, tar.TypeFifo: catalogue.FIFO,
	} {
		at := time.Unix(1e9, 5).UTC()
		size, link := int64(0), ""
		switch flag {
		case tar.TypeReg:
			size = 9
		case tar.TypeLink, tar.TypeSymlink:
			link = "d/other"
		}
		var e catalogue.Entry
		e.SetHeader(&tarfmt.Header{Name: "d/n", Link: link, Type: flag, Mode: 0o4755, UID: 1, GID: 2, Size: size, ModTime: at})
		want := catalogue.Entry{Path: "d/n", Type: kind, Size: size, ModTime: at, Mode: "4755", UID: 1, GID: 2, Target: link}
		if e != want {
			t.Errorf("type %q: %+v, not %+v", flag, e, want)
		}
		got := catalogue.FromTar("d/n", &tar.Header{Name: "d/n", Linkname: link, Typeflag: flag, Mode: 0o4755, Uid: 1, Gid: 2, Size: size, ModTime: at})
		if got != want {
			t.Errorf("type %q from a tar: %+v, not %+v", flag, got, want)
		}
		if e.TypeFlag() != flag {
			t.Errorf("%s has the type flag %q, not %q", kind, e.TypeFlag(), flag)
		}
	}
	if unknown := (&catalogue.Entry{Type: "door"}); unknown.TypeFlag() != 0 {
		t.Error("an unknown type has a type flag")
	}
}
