package tarfmt

import (
	"testing"
	"time"
)

func BenchmarkHeader(b *testing.B) {
	for name, h := range map[string]Header{
		"ustar":     {Name: "tree/dir/some-file.go", Type: TypeReg, Mode: 0o644, UID: 1000, GID: 1000, User: "me", Group: "me", Size: 4096, ModTime: time.Unix(1700000000, 0)},
		"subsecond": {Name: "tree/dir/some-file.go", Type: TypeReg, Mode: 0o644, UID: 1000, GID: 1000, User: "me", Group: "me", Size: 4096, ModTime: time.Unix(1700000000, 123456789)},
	} {
		b.Run(name, func(b *testing.B) {
			var e Encoder
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = e.Append(dst[:0], &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
