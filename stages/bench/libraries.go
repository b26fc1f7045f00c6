package bench

import (
	"io"
	"slices"

	dsnet "github.com/dsnet/compress/bzip2"
	"github.com/klauspost/pgzip"
	ulixz "github.com/ulikunitz/xz"

	"firn/stages/format/codec"
	"firn/stages/stage/sample"
)

// A contender is one compression that is measured.
type contender struct {
	Codec
	algorithm *sample.Algorithm
	trials    sample.Trials
}

// contenders are firn's codecs, each followed by the library that could be in its place. (zstd is a
// library's already: klauspost/compress.)
func (b *bench) contenders() (all []*contender) {
	for _, name := range codec.Names() {
		for _, level := range b.levels(name) {
			if f, err := codec.New(name, level); err == nil {
				all = append(all, &contender{Codec: Codec{Name: name, Level: level}, algorithm: sample.Of(f)})
			}
		}
		switch name {
		case "gzip":
			for _, level := range b.levels(name) {
				all = append(all, library(name, "klauspost/pgzip", level, func(w io.Writer) (io.WriteCloser, error) {
					return pgzip.NewWriterLevel(w, level)
				}))
			}
		case "bzip2":
			for _, level := range b.levels(name) {
				all = append(all, library(name, "dsnet/compress", level, func(w io.Writer) (io.WriteCloser, error) {
					return dsnet.NewWriter(w, &dsnet.WriterConfig{Level: level})
				}))
			}
		case "lzma":
			all = append(all, library(name, "ulikunitz/xz", 0, func(w io.Writer) (io.WriteCloser, error) {
				return ulixz.NewWriter(w)
			}))
		}
	}
	return all
}

// is reports whether c is a format of firn's.
func (c Codec) is(f codec.Format) bool {
	return c.Library == "" && c.Name == f.Name() && c.Level == f.Level()
}

func library(name, library string, level int, open func(io.Writer) (io.WriteCloser, error)) *contender {
	return &contender{Codec: Codec{Name: name, Library: library, Level: level}, algorithm: sample.Writer(open)}
}

// levels are those of a codec that are measured: all, or those that show what there is to choose from,
// and that of the backup.
func (b *bench) levels(name string) (levels []int) {
	some := map[string][]int{"gzip": {1, 6, 9}, "bzip2": {1, 9}, "lzma": {1, 3, 6}, "zstd": {1, 3, 6, 10}}[name]
	for level := 1; ; level++ {
		if _, err := codec.New(name, level); err != nil {
			return levels
		}
		if b.AllLevels || slices.Contains(some, level) || name == b.Format.Name() && level == b.Format.Level() {
			levels = append(levels, level)
		}
	}
}
