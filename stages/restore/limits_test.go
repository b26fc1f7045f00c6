package restore

import (
	"errors"
	"io"
	"math"
	"reflect"
	"testing"

	"firn/stages/format/record"
	"firn/stages/prove"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

// Zeros that never become an entry end at the bound, and nothing but the bound is read.
func TestBoundedTar(t *testing.T) {
	proven := record.Record{Format: 1, HMAC: "mac", KeyID: "id", TarSize: 10_240}
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
		r := &restore{options: Options{Limits: tt.limits}}
		a := &item{Archive: prove.Archive{Record: tt.record, Object: store.Object{Size: tt.size}}}
		if got := r.limitsOf(a).MaxBytes; got != tt.files {
			t.Errorf("%s: files of %d bytes, want %d", tt.name, got, tt.files)
		}
		bound := r.boundedTar(a, zeros{})
		// Most bounds are too large to be read up to.
		if left := reflect.ValueOf(bound).Elem().FieldByName("left").Int(); left != tt.most {
			t.Errorf("%s: %d bytes, want %d", tt.name, left, tt.most)
			continue
		}
		if tt.most > 1<<20 {
			continue
		}
		n, err := io.Copy(io.Discard, bound)
		var limit *extract.LimitError
		if n != tt.most || errors.As(err, &limit) == tt.record.HasProof() || errors.Is(err, prove.ErrDamaged) != tt.record.HasProof() {
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
