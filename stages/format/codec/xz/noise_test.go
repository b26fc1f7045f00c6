package xz

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
)

// stored returns how many bytes a file of one block has in stored chunks.
func stored(t *testing.T, file []byte) (n int) {
	t.Helper()
	for p := file[streamHeaderSize+blockHeaderSize:]; p[0] != chunkEnd; {
		if p[0] < chunkLZMA {
			size := int(p[1])<<8 + int(p[2]) + 1
			n += size
			p = p[3+size:]
			continue
		}
		head := 5
		if p[0] >= chunkLZMA|resetProperties {
			head++
		}
		p = p[head+int(p[3])<<8+int(p[4])+1:]
	}
	return n
}

// TestNoise mixes noise with what compresses: all that is noise must be stored, and nothing that
// would have become smaller.
func TestNoise(t *testing.T) {
	a, b, words := random(300_000, 51), random(100_000, 52), letters(100_000, 12, 53)
	counting := make([]byte, 200_000) // as frequent as noise, and each byte can be foreseen
	for i := range counting {
		counting[i] = byte(i)
	}
	encoders := map[int]*Encoder{1: NewEncoder(1), 6: NewEncoder(6)} // each of its own kind
	for _, c := range []struct {
		name  string
		raw   []byte
		least int // that must be stored
		most  int // bytes of the file
	}{
		{"noise", a, 290_000, 300_200},
		{"noise then words", slices.Concat(a, words), 280_000, 352_000},
		{"words then noise", slices.Concat(words, a), 250_000, 352_000},
		{"again", slices.Concat(a, b, a, words, a), 380_000, 454_000},
		{"again and again", slices.Concat(a, b[:200], a, b[200:400], a), 290_000, 302_000},
		{"counting", counting, 0, 1000},
		{"short", random(noiseLength-1, 54), 0, noiseLength + 100},
		{"just long enough", random(noiseLength, 54), noiseLength, noiseLength + 100},
		{"a little longer", slices.Concat(random(noiseLength, 54), words[:3]), noiseLength, noiseLength + 110},
	} {
		for level, e := range encoders {
			file := stream(t, e, c.raw, BlockSize(level))
			mustDecode(t, file, c.raw)
			if got, err := readAll(t, bytes.NewReader(file), Options{}); err != nil || !bytes.Equal(got, c.raw) {
				t.Errorf("%s, level %d: %d of %d bytes, %v", c.name, level, len(got), len(c.raw), err)
			}
			if got := native(t, file, "-dc"); !bytes.Equal(got, c.raw) {
				t.Errorf("%s, level %d: xz gives other bytes", c.name, level)
			}
			if n := stored(t, file); n < c.least || len(file) > c.most {
				t.Errorf("%s, level %d: %d bytes stored, want %d; a file of %d bytes, want at most %d", c.name, level, n, c.least, len(file), c.most)
			}
		}
	}
}

// TestNoiseGolden pins what becomes of noise. A change here makes users upload archives again whose
// content did not change.
func TestNoiseGolden(t *testing.T) {
	a := random(200_000, 61)
	raw := slices.Concat(a, letters(50_000, 12, 62), a[:90_000], random(40_000, 63))
	for level, want := range map[int]string{
		1: "7137ff0b15d76019ded33f068bec106ede2f5666a271a6ce69bfe234b8bee1ee",
		6: "7e1066027901daa3f43a3efacd07a6acc530fab41771be6058bb7ab8ebcdcc6a",
		9: "7e1066027901daa3f43a3efacd07a6acc530fab41771be6058bb7ab8ebcdcc6a",
	} {
		file := stream(t, NewEncoder(level), raw, BlockSize(level))
		mustDecode(t, file, raw)
		sum := sha256.Sum256(file)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("level %d: %q, want %q", level, got, want)
		}
	}
}
