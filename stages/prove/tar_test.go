package prove_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"firn/stages/prove"
)

var errOver = errors.New("too long")

func TestBound(t *testing.T) {
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
			got, err := io.ReadAll(prove.Bound(r, tt.most, errOver))
			if string(got) != tt.want || errors.Is(err, errOver) != tt.over || err != nil && !tt.over {
				t.Errorf("up to %d: %q, %v", tt.most, got, err)
			}
		}
	}
}
