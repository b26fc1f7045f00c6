package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"firn/stages/store"
)

// AwkwardKeys are keys that URL escaping, XML or a file system easily damage.
func AwkwardKeys() []string {
	long := strings.Repeat("long", 63) // 252 bytes
	return []string{
		"a", "a/b", "a/b/c", "a-b", "a.b", "a b", "a0", "A", "A/B", "ab", "a/b.tar.gz", "a/b.tar.gz/c.tar.gz",
		" leading and trailing ", "plus+and%20percent%zz", "question?mark=1&and=2#hash", "semi;colon:at@comma,", `back\slash`,
		`"quotes" and 'more'`, "<xml>&amp;</xml>", "star*brace{}[]|^~`", "new\nline", "tab\tand\rreturn", "bell\a",
		"ünïcödé/日本語/𝄞", "e\u0301 and é", "\u2028separator", "-dash", "~tilde", "$dollar(1)", "!bang",
		long, long + "abc", long + "abcd/" + long, "deep/" + strings.Repeat("d/", 200) + "end",
		strings.Repeat("k", store.MaxKey), strings.Repeat("seg/", 255) + "last", ".hidden", "dir/.hidden/.x", ".firn/manifest",
		".firn-store", ".firn-store/odd/x", ".FIRN-Store/y", "dir/.x.firn-meta", "dir/.x.firn-meta/z", "x.", "con", "nul.tar.gz",
	}
}

// OddKeys are keys of S3 that servers, file systems and tools refuse. firn makes none of them.
func OddKeys() []string {
	return []string{"trailing/", "double//slash", "/leading", "dots/../up", "dots/./here", "..", ".", "a//", "//", "x/.."}
}

func testKeys(t *testing.T, s store.Store) { RunKeys(t, s, AwkwardKeys()) }

// RunKeys stores an object under each key and wants each back under its own.
func RunKeys(t *testing.T, s store.Store, keys []string) {
	for round := range 2 {
		for _, key := range keys {
			Put(t, s, key, fmt.Appendf(nil, "%d %s", round, key), store.PutOptions{Meta: map[string]string{"md5": fmt.Sprint(round)}})
		}
		for _, key := range keys {
			MustHold(t, s, key, fmt.Appendf(nil, "%d %s", round, key), store.PutOptions{Meta: map[string]string{"md5": fmt.Sprint(round)}})
		}
	}
	sorted := slices.Sorted(slices.Values(keys))
	if got := Keys(t, s, ""); !slices.Equal(got, sorted) {
		t.Errorf("listed:\n%q\nwant\n%q", got, sorted)
	}
	prefixes := []string{"a", "a/", "a/b", "a/b.tar.gz/", "A", "deep/", "dir/", ".firn", "d", "none"}
	prefixes = append(prefixes, keys...)
	for _, prefix := range prefixes {
		want := slices.DeleteFunc(slices.Clone(sorted), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		if got := Keys(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("with prefix %q listed:\n%q\nwant\n%q", prefix, got, want)
		}
	}
}

// testList goes over more objects than a server lists in one answer.
func testList(t *testing.T, s store.Store) {
	const n = 1203
	want := make([]string, n)
	var wg sync.WaitGroup
	for writer := range 16 {
		wg.Go(func() {
			for i := writer; i < n; i += 16 {
				want[i] = fmt.Sprintf("home/d%02d/file-%d.tar.gz", i%7, i)
				if _, err := s.Put(t.Context(), want[i], []byte(want[i]), store.PutOptions{CRC32C: store.CRC32C([]byte(want[i]))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	if got := Keys(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("%d keys listed of %d, or out of order", len(got), n)
	}
	some := slices.DeleteFunc(slices.Clone(want), func(key string) bool { return !strings.HasPrefix(key, "home/d03/file-1") })
	if got := Keys(t, s, "home/d03/file-1"); !slices.Equal(got, some) {
		t.Errorf("%d keys listed of %d", len(got), len(some))
	}
}

func testListError(t *testing.T, s store.Store) {
	for _, key := range []string{"a", "b", "c"} {
		Put(t, s, key, nil, store.PutOptions{})
	}
	stop := errors.New("enough")
	var seen []string
	err := s.List(t.Context(), "", func(o store.Object) error {
		seen = append(seen, o.Key)
		if o.Key == "b" {
			return stop
		}
		return nil
	})
	if err != stop || !slices.Equal(seen, []string{"a", "b"}) {
		t.Errorf("%v after %q; want the callback's own error after a and b", err, seen)
	}
}
