package store

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestCombineCRC32C(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewPCG(seed, seed))
	for _, size := range []int{0, 1, 2, 15, 16, 17, 4095, 4096, 1 << 20, 1<<20 + 3} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		for _, cut := range []int{0, 1, size / 3, size} {
			cut = min(cut, size)
			got := CombineCRC32C(CRC32C(b[:cut]), CRC32C(b[cut:]), int64(size-cut))
			if want := CRC32C(b); got != want {
				t.Errorf("seed %d: %d bytes cut at %d: %08x, want %08x", seed, size, cut, got, want)
			}
		}
	}
	// RFC 3720, B.4: 32 bytes of zeros.
	if got := CRC32C(make([]byte, 32)); got != 0x8a9136aa {
		t.Errorf("CRC-32C of 32 zeros is %08x", got)
	}
}

func TestCheckPut(t *testing.T) {
	good := []PutOptions{
		{}, {Class: "GLACIER"}, {Meta: map[string]string{"md5": "00", "firn-key-id": "a b:c~"}},
		{Meta: map[string]string{"x": strings.Repeat("v", MaxMeta-1)}},
	}
	for _, o := range good {
		if err := CheckPut("k", o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	bad := []PutOptions{
		{Class: "glacier"}, {Class: "COLD"}, {Meta: map[string]string{"MD5": "0"}}, {Meta: map[string]string{"": "0"}},
		{Meta: map[string]string{"a b": "0"}}, {Meta: map[string]string{"a": "é"}}, {Meta: map[string]string{"a": "1\n2"}},
		{Meta: map[string]string{"a": " 1"}}, {Meta: map[string]string{"x": strings.Repeat("v", MaxMeta)}},
	}
	for _, o := range bad {
		if err := CheckPut("k", o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	for _, key := range []string{"", strings.Repeat("k", 1025), "a\xff"} {
		if err := CheckPut(key, PutOptions{}); err == nil {
			t.Errorf("key %q is taken", key)
		}
	}
	if err := CheckPut(strings.Repeat("k", 1024), PutOptions{}); err != nil {
		t.Error(err)
	}
}

func TestCheckParts(t *testing.T) {
	a, b := make([]byte, 10), []byte("the end")
	parts := []Part{{Number: 2, Size: 7, CRC32C: CRC32C(b)}, {Number: 1, Size: 10, CRC32C: CRC32C(a)}}
	whole := CRC32C(append(a, b...))
	sorted, size, err := CheckParts(parts, 10, whole)
	if err != nil || size != 17 || sorted[0].Number != 1 || parts[0].Number != 2 {
		t.Errorf("%v %d %v", sorted, size, err)
	}
	if _, _, err := CheckParts(parts, 10, whole+1); !errors.Is(err, ErrChecksum) {
		t.Errorf("a wrong CRC: %v", err)
	}
	for name, bad := range map[string][]Part{
		"none": {}, "first missing": {{Number: 2, Size: 7}}, "twice": {{Number: 1, Size: 10}, {Number: 1, Size: 10}},
		"hole": {{Number: 1, Size: 10}, {Number: 3, Size: 10}}, "short in the middle": {{Number: 1, Size: 9}, {Number: 2, Size: 9}},
		"too long": {{Number: 1, Size: 11}}, "empty": {{Number: 1}},
	} {
		if _, _, err := CheckParts(bad, 10, 0); err == nil || errors.Is(err, ErrChecksum) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
