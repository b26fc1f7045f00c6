package catalogue_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"firn/stages/format/catalogue"
)

// objects adds what a writer writes, and what it does not; each is given as it is and, so that the
// fuzzer gets past the check values of gzip, as the content of a gzip member.
func objects(f *testing.F, written []byte, lines ...string) {
	f.Helper()
	plain := []byte(gunzip(f, written))
	f.Add(written, false)
	f.Add(written[:len(written)/2], false)
	f.Add(append(bytes.Clone(written), written...), false)
	f.Add(plain, true)
	f.Add(plain[:len(plain)/2], true)
	f.Add(bytes.ReplaceAll(plain, []byte(`"`), []byte(`\`)), true)
	f.Add(bytes.Repeat([]byte("["), 20_000), true) // deeper than JSON may be
	f.Add(append(bytes.TrimSuffix(plain, []byte("\n")), make([]byte, 4<<10)...), true)
	for _, text := range append(lines, "", "{}\n", "null\n", "[]\n{\"end\":true,\"lines\":-1}\n") {
		f.Add([]byte(text), true)
	}
}

func object(f *testing.F, write func(io.Writer) error) []byte {
	f.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// reader reads an object, which is packed first if need be.
func reader(data []byte, pack bool) io.Reader {
	if !pack {
		return bytes.NewReader(data)
	}
	return zipped(string(data))
}

// mustExplain wants an error that says that the bytes are at fault.
func mustExplain(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, catalogue.ErrFormat) && !errors.Is(err, catalogue.ErrCutShort) {
		t.Errorf("the error: %v", err)
	}
}

// FuzzRun reads any bytes as a run.
func FuzzRun(f *testing.F) {
	objects(f, object(f, func(w io.Writer) error {
		return catalogue.WriteRun(w, catalogue.Run{
			ID: "20261123T203000Z-01234567", Path: "home", BackupPath: "/home\xff", Exclude: []string{"*.o", "\\"}, Manifest: []string{"a", "b"},
			CutFaults: []catalogue.Fault{{Path: "home/\xff", Kind: "unreadable", Error: "x"}},
			Left:      []catalogue.Left{{Path: "home/\n", Why: catalogue.Kept, Shell: true}},
		})
	}), `{"firn_run":1,"left":[{"path":"\\x"},{"path":"\\xzz"},null],"cut_faults":[null],"exclude":["\\"]}`, `{"firn_run":1e99}`, `{"firn_run":2}`)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		run, err := catalogue.ReadRun(reader(data, pack))
		if err != nil {
			mustExplain(t, err)
			return
		}
		var b bytes.Buffer
		check(t, catalogue.WriteRun(&b, run))
		if again := must(catalogue.ReadRun(&b))(t); again.Path != run.Path || len(again.Left) != len(run.Left) {
			t.Errorf("%+v came back as %+v", run, again)
		}
	})
}

// FuzzManifest reads any bytes as a volume of a manifest.
func FuzzManifest(f *testing.F) {
	const run = "20261123T203000Z-01234567"
	objects(f, object(f, func(w io.Writer) error {
		m, err := catalogue.NewManifest(w, run, 1)
		if err == nil {
			err = errors.Join(m.Add(catalogue.Subtree{
				Path: "home/\xff", Status: catalogue.Saved, Key: "home/x.tar.gz", MD5: "d41d8cd98f00b204e9800998ecf8427e", List: &catalogue.Place{Pack: "p", Length: 5},
				Faults: []catalogue.Fault{{Path: "home/\xff/a", Kind: catalogue.FaultVanished, Error: "x"}},
			}), m.Close())
		}
		return err
	}), `{"firn_manifest":1,"run":"`+run+`","volume":1}
{"path":"\\x","faults":[null],"list":null}
{"path":5}
{"end":true,"lines":2}`)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		m, err := catalogue.OpenManifest(reader(data, pack), run, 1)
		for err == nil {
			_, err = m.Next()
		}
		if !errors.Is(err, io.EOF) {
			mustExplain(t, err)
		}
	})
}

// FuzzList reads any bytes as a list, by itself and as that of a given archive.
func FuzzList(f *testing.F) {
	const path, key, md5 = "home/\xff", "home/x.tar.gz", "d41d8cd98f00b204e9800998ecf8427e"
	objects(f, object(f, func(w io.Writer) error {
		l, err := catalogue.NewList(w, path, key)
		if err == nil {
			err = errors.Join(l.Add(&catalogue.Entry{Path: "\xff/a", Type: catalogue.File, Mode: "0644"}), l.Close(md5))
		}
		return err
	}), `{"firn_list":1,"path":"home/\\xff","key":"home/x.tar.gz"}
{"path":"\\","type":"file","mode":"0644","size":-1}
{"end":true,"lines":1,"md5":"x"}`)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		for _, open := range []func() (*catalogue.ListReader, error){
			func() (*catalogue.ListReader, error) { return catalogue.OpenList(reader(data, pack)) },
			func() (*catalogue.ListReader, error) {
				return catalogue.OpenListOf(reader(data, pack), catalogue.OwnerOf(key, md5))
			},
		} {
			l, err := open()
			for err == nil {
				_, err = l.Next()
			}
			if !errors.Is(err, io.EOF) {
				mustExplain(t, err)
			}
		}
	})
}
