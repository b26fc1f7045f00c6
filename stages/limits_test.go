package stages

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"firn/stages/format/record"
	"firn/stages/stage/extract"
)

var errOver = errors.New("too long")

func TestBounded(t *testing.T) {
	for _, tt := range []struct {
		most int64
		want string
		over bool
	}{{0, "ten letters", false}, {11, "ten letters", false}, {12, "ten letters", false}, {10, "ten letter", true}, {1, "t", true}} {
		for _, one := range []bool{false, true} {
			var r io.Reader = strings.NewReader("ten letters")
			if one {
				r = iotest.DataErrReader(iotest.OneByteReader(r))
			}
			got, err := io.ReadAll(bounded(r, tt.most, errOver))
			if string(got) != tt.want || errors.Is(err, errOver) != tt.over || err != nil && !tt.over {
				t.Errorf("up to %d: %q, %v", tt.most, got, err)
			}
		}
	}
}

// Zeros that never become an entry end at the bound, and nothing but the bound is read.
func TestBoundedTar(t *testing.T) {
	proven := record.Record{Format: 1, TarSize: 10_240}
	for _, tt := range []struct {
		name   string
		record record.Record
		size   int64
		limits Limits
		most   int64 // bytes of the tar
		files  int64 // of the files in it; 0: any number
	}{
		{"proven", proven, 100, Limits{}, 10_240, 0},
		{"proven, bounded by the user", proven, 100, Limits{Bytes: 5000}, 10_240, 5000},
		{"old", record.Record{}, 100, Limits{Bytes: 5000}, 5000, 5000},
		{"old, by its size", record.Record{}, 4 << 30, Limits{}, 1<<30 + 4000<<30, 1<<30 + 4000<<30},
		{"old and absurd", record.Record{}, math.MaxInt64, Limits{}, 1<<30 + (1<<62)/1000*1000, 1<<30 + (1<<62)/1000*1000},
	} {
		r := &restore{Restore: Restore{Limits: tt.limits}}
		a := &archived{record: tt.record, size: tt.size}
		if got := r.limitsOf(a).MaxBytes; got != tt.files {
			t.Errorf("%s: files of %d bytes, want %d", tt.name, got, tt.files)
		}
		bound, ok := r.boundedTar(a, zeros{}).(*boundedReader)
		if !ok || bound.left != tt.most {
			t.Errorf("%s: %+v, want %d bytes", tt.name, bound, tt.most)
			continue
		}
		if tt.most > 1<<20 {
			continue
		}
		n, err := io.Copy(io.Discard, bound)
		var limit *extract.LimitError
		if n != tt.most || errors.As(err, &limit) == (tt.record.Format > 0) || errors.Is(err, ErrDamaged) != (tt.record.Format > 0) {
			t.Errorf("%s: %d bytes, %v", tt.name, n, err)
		}
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
