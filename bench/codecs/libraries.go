package main

import (
	"fmt"
	"io"

	dsnet "github.com/dsnet/compress/bzip2"
	"github.com/klauspost/pgzip"
	ulixz "github.com/ulikunitz/xz"
)

// A library is a Go module that could take the place of an encoder or a decoder of firn's own.
type library struct {
	name, ext string
	settings  []string // what encode accepts
	encode    func(w io.Writer, setting string) (io.WriteCloser, error)
	decode    func(r io.Reader) (io.ReadCloser, error)
}

// levels are the settings of a library that has gzip's and bzip2's nine levels.
func levels() (all []string) {
	for n := 1; n <= 9; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

// xzSettings are the dictionaries of xz -1 and xz -6. The library has no levels: nothing else of it
// trades time for size but its binary tree, which did not end with 2 MiB of source text in two minutes.
func xzSettings() map[string]ulixz.WriterConfig {
	return map[string]ulixz.WriterConfig{"1M": {DictCap: 1 << 20}, "8M": {DictCap: 8 << 20}}
}

func libraries() []library {
	return []library{
		{"pgzip", "gz", levels(), encodePgzip, func(r io.Reader) (io.ReadCloser, error) { return pgzip.NewReader(r) }},
		{"dsnet", "bz2", levels(), encodeDsnet, func(r io.Reader) (io.ReadCloser, error) { return dsnet.NewReader(r, nil) }},
		{"ulikunitz", "xz", []string{"1M", "8M"}, encodeUlikunitz, func(r io.Reader) (io.ReadCloser, error) {
			x, err := ulixz.NewReader(r)
			return io.NopCloser(x), err
		}},
	}
}

func encodePgzip(w io.Writer, setting string) (io.WriteCloser, error) {
	var level int
	if _, err := fmt.Sscan(setting, &level); err != nil {
		return nil, err
	}
	return pgzip.NewWriterLevel(w, level)
}

func encodeDsnet(w io.Writer, setting string) (io.WriteCloser, error) {
	var level int
	if _, err := fmt.Sscan(setting, &level); err != nil {
		return nil, err
	}
	return dsnet.NewWriter(w, &dsnet.WriterConfig{Level: level})
}

func encodeUlikunitz(w io.Writer, setting string) (io.WriteCloser, error) {
	config, ok := xzSettings()[setting]
	if !ok {
		return nil, fmt.Errorf("no setting %q", setting)
	}
	return config.NewWriter(w)
}
