package browse_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/format/pick"
	"firn/stages/service/ledger"
	"firn/stages/store/dir"
)

// BenchmarkFind searches a pack with the lists of a hundred archives of ten thousand entries each.
func BenchmarkFind(b *testing.B) {
	const archives, entries = 100, 10_000
	h := newHistory(b, newKeys(b), b.TempDir())
	var err error
	h.l.Store, err = dir.Open("file://" + b.TempDir())
	check(b, err)
	w := h.l.Begin(ledger.NewID(time.Unix(1e9, 0)), 1<<40)
	var bytesIn int64
	for a := range archives {
		path := fmt.Sprintf("srv/data/project-%02d", a)
		var list bytes.Buffer
		l, err := catalogue.NewList(&list, path, path+".tar.zst")
		check(b, err)
		for i := range entries {
			e := catalogue.Entry{
				Path: fmt.Sprintf("project-%02d/sources/module-%03d/file-%05d.go", a, i/100, i), Type: catalogue.File, Size: int64(i) * 37, Mode: "0644",
				ModTime: time.Unix(1.7e9+int64(i)*991, int64(i)*7919).UTC(), UID: 1000, GID: 1000,
			}
			check(b, l.Add(&e))
		}
		check(b, l.Close("d41d8cd98f00b204e9800998ecf8427e"))
		bytesIn += int64(list.Len())
		place, err := w.AddList(b.Context(), bytes.NewReader(list.Bytes()))
		check(b, err)
		check(b, w.Add(b.Context(), catalogue.Subtree{Path: path, Key: path + ".tar.zst", MD5: "m", List: &place}))
	}
	check(b, w.Finish(b.Context(), catalogue.Run{Path: "srv/data", BackupPath: "/srv/data", Depth: 1, Complete: true}))
	runs := h.runs(b)
	picks, err := pick.Parse([]string{"file-00777.go"})
	check(b, err)
	b.SetBytes(bytesIn)
	b.ReportAllocs()
	for b.Loop() {
		found, err := h.none(b).Find(b.Context(), runs, picks)
		check(b, err)
		if len(found.Versions) != archives || found.Lists != archives {
			b.Fatalf("%d found in %d lists", len(found.Versions), found.Lists)
		}
	}
	b.ReportMetric(float64(archives*entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
