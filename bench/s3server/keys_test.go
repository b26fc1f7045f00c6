package main

import (
	"math/rand"
	"slices"
	"strings"
	"testing"
)

func TestEncodeKey(t *testing.T) {
	tests := []struct{ key, path string }{
		{"a", "6b."},
		{"a/b", "6b2p/6c."},
		{"a/", "6b2p."},
		{"a//b", "6b2p/2p/6c."},
		{"\x00\xff", "0aFp."},
		{strings.Repeat("a", maxName), strings.Repeat("6b", maxName) + "."},
		{strings.Repeat("a", maxName+1), strings.Repeat("6b", maxName) + "/6b."},
	}
	for _, tt := range tests {
		if got := encodeKey(tt.key); got != tt.path {
			t.Errorf("encodeKey(%q) = %q, want %q", tt.key, got, tt.path)
		}
	}
}

// keys gives random keys from an alphabet in which separators, and characters
// on either side of them, are frequent.
func keys(t *testing.T, n int) []string {
	const seed = 7
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	alphabet := []byte("a/./-0!\x00\xff~ab//")
	out := make([]string, n)
	for i := range out {
		length := 1 + rnd.Intn(8)
		if i%10 == 0 {
			length = 1 + rnd.Intn(maxKey)
		}
		b := make([]byte, length)
		for j := range b {
			b[j] = alphabet[rnd.Intn(len(alphabet))]
			if i%20 == 0 && b[j] == '/' {
				b[j] = 'x'
			}
		}
		out[i] = string(b)
	}
	return out
}

func TestEncodeKeyKeepsOrderAndPrefixes(t *testing.T) {
	all := keys(t, 3000)
	byKey := slices.Clone(all)
	slices.Sort(byKey)
	byPath := slices.Clone(all)
	slices.SortFunc(byPath, func(a, b string) int { return strings.Compare(encodeKey(a), encodeKey(b)) })
	if !slices.Equal(byKey, byPath) {
		t.Error("paths do not sort as their keys do")
	}
	for i, k := range all {
		path := encodeKey(k)
		back, err := decodeKey(path)
		if err != nil || back != k {
			t.Fatalf("decodeKey(encodeKey(%q)) = %q, %v", k, back, err)
		}
		for _, name := range strings.Split(path, "/") {
			if name == "" || len(name) > 255 {
				t.Fatalf("encodeKey(%q) has a name of %d bytes", k, len(name))
			}
		}
		for _, p := range all[:i%300] {
			if len(p) > 3 {
				p = p[:3]
			}
			if got, want := strings.HasPrefix(path, encodePrefix(p)), strings.HasPrefix(k, p); got != want {
				t.Fatalf("prefix %q of %q: %v by path, %v by key", p, k, got, want)
			}
			if strings.HasPrefix(k, p) && path >= encodePrefix(p)+afterAll {
				t.Fatalf("path of %q sorts after everything under %q", k, p)
			}
		}
	}
}

// A path that is not a directory of another must never be needed as one.
func TestEncodeKeyFilesAreNeverDirectories(t *testing.T) {
	files := map[string]bool{}
	for _, k := range keys(t, 3000) {
		files[encodeKey(k)] = true
	}
	for f := range files {
		for i, c := range f {
			if c == '/' && files[f[:i]] {
				t.Fatalf("%q is a file and a directory", f[:i])
			}
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	f.Add("6b2p/6c.")
	f.Add(".")
	f.Fuzz(func(t *testing.T, path string) {
		_, _ = decodeKey(path)
	})
}
