package codec_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func sha(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// golden holds what each format and level makes of the same input. A change here makes users upload
// archives again whose content did not change: it is a deliberate act and belongs into
// CHANGELOG.md.
func golden() map[string]string {
	return map[string]string{
		"gzip-1":  "e553345affcc2a3b56063278e9e0429d4cc804189d1fc24e38fb9336f78b90b3",
		"gzip-2":  "f13bbe938562175c5ca01ce73e3270ce58a24de984f8a6f95f35812ec960ff47",
		"gzip-3":  "3da519bae834315358e49902f5426b174760cb0eec41ce6ed05111a25bcdfeb1",
		"gzip-4":  "e694297a533a045a02d8c253abaf4e0877b45f0d606b3015c19521c87b44a2db",
		"gzip-5":  "6da512750dceb4b3eb2d7550ca02c4825ca783fd05ccd1a7020c2ca2bcad513f",
		"gzip-6":  "8b40ee13703d4d887baaaba3f6d9639fe2769554bf1bf338e17f009ba0cb426b",
		"gzip-7":  "7fef38da03e78ef350377e02caae130bf9fd649026e44776ed8f9b33f722308f",
		"gzip-8":  "a99f5099dc17990c21899eca3ae1b97676d847efe282858d892f2e27b8410809",
		"gzip-9":  "974cca9fd24af54b8a24533cdd9ad39c7220556dfaef77680f325394739c8e7d",
		"lzma-1":  "11e39f22403fe2ca9a9589663bec1672e1e4bc859df57f23956ac89250963824",
		"lzma-2":  "23d4b010e50b8efaba7285a1d05436de2bf92c37542988b4526202c79184dc23",
		"lzma-3":  "2f9c891bb1fecc140bc630ed5cf6f5722b34a4f323a62b116379b7af30ba1635",
		"lzma-4":  "85efd8c1095f94143d37c431c0bf683f0bd45409780aaacb5b96741f7b13b95e",
		"lzma-5":  "845a099d49b1be02f30e962d46c5d740b027951f8aa614ed665e0274f83ad999",
		"lzma-6":  "bee84e69199dc20d86e33254583d269da5c8d4372c3cc66274b5cba92c7977a8",
		"lzma-7":  "5cee77b8ccaec7538100f7368f7082008c78190c260ca35e2bdde6e8ccd57ab8",
		"lzma-8":  "68397db887aee7803f192202032f5ba6a7bfc7b38e8ef46cb20bcba107e5162b",
		"lzma-9":  "af6a128dffb544241fb983eacc5af39945f4d58a8d41d55cf06448866361da16",
		"zstd-1":  "a0b422c66e672a4b2c42998fb1795763d3dd2be43327e83b00636f5904b17d78",
		"zstd-11": "2ceb0518cab723b35aee989b8136b19386714b0750426abbf7a47f42585d3d91",
		"zstd-3":  "a4ec4d58c6465d015214ff48fb30155834e33db4512ea54b0b1e266122e4c483",
		"zstd-7":  "aaa8f8fb81c74f31d4305e824162d345bd000e0bbbafbde1e430e4c51e049e25",
	}
}

func TestGolden(t *testing.T) {
	input := text(100_000, 52)
	for seed := range uint64(16) {
		input = append(input, mixed(70_000, seed)...)
	}
	if got, want := sha(input), goldenInput; got != want {
		t.Fatalf("the test's own input changed: %s, want %s", got, want)
	}
	for _, f := range pinned(t) {
		t.Run(label(f), func(t *testing.T) {
			t.Parallel()
			file := compress(t, f, input, 1<<20)
			if got, want := sha(file), golden()[label(f)]; got != want {
				t.Errorf("%q: %q, want %q", label(f), got, want)
			}
			mustDecode(t, f, file, input)
		})
	}
}

const goldenInput = "edab69e7c78f17786c18d3b00984c9d69223c6e85b9a838caae330b5023d96d9"
