package harness_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/bench/harness"
)

// oddKeys are keys that a file system does not take as they are.
func oddKeys() []string {
	return []string{
		"a", "a/b", "a/b/c", "a!", "a-b", "a.", "a0", "a/", "a//b", "a//", "b/",
		"with space", " ", "tab\there", "new\nline", "carriage\rreturn", "back\\slash", "per%cent", "%41", "plus+plus",
		"quo\"te", "apo'strophe", "<xml>&amp;", "?query=1", "#hash", "semi;colon", "comma,", "colon:", "star*", "tilde~",
		"ünïcødé", "日本語/ファイル.tar.xz", "🧊", "e\u0301", "\u00e9", "\u202e", "\x01\x02\x1f\x7f",
		".sgwtmp", ".hidden", "x/.dot", "a/...", "...",
		strings.Repeat("s", 255), strings.Repeat("s", 256), strings.Repeat("s", 256) + "/t", strings.Repeat("s", 256) + "t",
		strings.Repeat("k", 1024), strings.Repeat("d/", 511) + "ee", strings.Repeat("é", 512), strings.Repeat("/x", 300),
	}
}

func putOddKeys(t *testing.T) (*harness.S3Server, []string) {
	t.Helper()
	srv := harness.S3(t)
	keys := oddKeys()
	for _, k := range keys {
		put(t, srv, k, "body of "+k)
	}
	slices.Sort(keys)
	return srv, keys
}

func TestOddKeysAreAllKept(t *testing.T) {
	srv, keys := putOddKeys(t)
	client := srv.Client()
	for _, k := range keys {
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: &k})
		if err != nil || *head.ContentLength != int64(len("body of "+k)) {
			t.Errorf("head of %q: %v", k, err)
		}
		got, err := get(t, client, &s3.GetObjectInput{Bucket: &srv.Bucket, Key: &k})
		if err != nil || got != "body of "+k {
			t.Errorf("%q: read %q, %v", k, got, err)
		}
	}
	for i, k := range keys {
		if i%2 == 0 {
			if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &srv.Bucket, Key: &k}); err != nil {
				t.Errorf("deleting %q: %v", k, err)
			}
		}
	}
	for i, k := range keys {
		_, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: &k})
		if gone := err != nil; gone != (i%2 == 0) {
			t.Errorf("%q: %v", k, err)
		}
	}
	for _, k := range []string{strings.Repeat("k", 1025), strings.Repeat("é", 513)} {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &srv.Bucket, Key: &k, Body: strings.NewReader("x")})
		wantCode(t, "a key that is too long", err, "KeyTooLongError")
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &srv.Bucket, Key: new("bad\xff"), Body: strings.NewReader("x")})
	wantCode(t, "a key that is not UTF-8", err, "InvalidURI")
	_, err = client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &srv.Bucket, Key: new("missing")})
	wantCode(t, "deleting what is not there", err, "")
}

// listing is what a listing shows, keys decoded.
type listing struct{ keys, prefixes []string }

// wantListing is S3's definition of a listing.
func wantListing(keys []string, prefix, delim, after string) listing {
	var l listing
	for _, k := range keys {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		before, _, found := strings.Cut(k[len(prefix):], delim)
		if delim == "" || !found {
			l.keys = append(l.keys, k)
			continue
		}
		p := prefix + before + delim
		if p > after && (len(l.prefixes) == 0 || l.prefixes[len(l.prefixes)-1] != p) {
			l.prefixes = append(l.prefixes, p)
		}
	}
	return l
}

// listAll lists page by page with encoding-type url, which is what makes every
// key readable.
func listAll(t *testing.T, srv *harness.S3Server, in s3.ListObjectsV2Input) listing {
	t.Helper()
	in.Bucket, in.EncodingType = &srv.Bucket, types.EncodingTypeUrl
	var l listing
	decode := func(s string) string {
		d, err := url.QueryUnescape(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pages := s3.NewListObjectsV2Paginator(srv.Client(), &in, func(o *s3.ListObjectsV2PaginatorOptions) { o.StopOnDuplicateToken = true })
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.Contents) + len(page.CommonPrefixes); in.MaxKeys != nil && n > int(*in.MaxKeys) || n != int(*page.KeyCount) {
			t.Fatalf("a page of %d, said to be %d", n, *page.KeyCount)
		}
		for _, o := range page.Contents {
			l.keys = append(l.keys, decode(*o.Key))
			if *o.Size != int64(len("body of "+decode(*o.Key))) {
				t.Errorf("%q: size %d", *o.Key, *o.Size)
			}
		}
		for _, p := range page.CommonPrefixes {
			l.prefixes = append(l.prefixes, decode(*p.Prefix))
		}
	}
	return l
}

func TestListings(t *testing.T) {
	srv, keys := putOddKeys(t)
	check := func(prefix, delim, after string, limit int32) {
		t.Helper()
		want := wantListing(keys, prefix, delim, after)
		got := listAll(t, srv, s3.ListObjectsV2Input{Prefix: &prefix, Delimiter: &delim, StartAfter: &after, MaxKeys: &limit})
		if !slices.Equal(got.keys, want.keys) || !slices.Equal(got.prefixes, want.prefixes) {
			t.Errorf("prefix %q, delimiter %q, after %q, pages of %d:\n got %q\nwant %q", prefix, delim, after, limit, got, want)
		}
	}
	for _, delim := range []string{"", "/", "//", "b", "é"} {
		for _, prefix := range []string{"", "a", "a/", "a/b", "a//", "b/", "s", strings.Repeat("s", 120), strings.Repeat("s", 256),
			strings.Repeat("d/", 300), "per%", "new\n", "nothing", "日", "é"[:1]} {
			check(prefix, delim, "", 1000)
			check(prefix, delim, "", 3)
		}
		for _, after := range []string{"a", "a/", "a/b", "a0", "b", strings.Repeat("s", 256), "zzz", " "} {
			check("", delim, after, 1000)
			check("", delim, after, 2)
		}
		check("", delim, "", 1)
	}
}

func TestListV1PagesByMarker(t *testing.T) {
	srv, keys := putOddKeys(t)
	client := srv.Client()
	for _, delim := range []string{"", "/"} {
		var got listing
		marker := ""
		for {
			page, err := client.ListObjects(t.Context(), &s3.ListObjectsInput{
				Bucket: &srv.Bucket, Delimiter: &delim, Marker: &marker, MaxKeys: new(int32(4)), EncodingType: types.EncodingTypeUrl,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				marker, _ = url.QueryUnescape(*o.Key)
				got.keys = append(got.keys, marker)
			}
			for _, p := range page.CommonPrefixes {
				prefix, _ := url.QueryUnescape(*p.Prefix)
				got.prefixes = append(got.prefixes, prefix)
			}
			if !*page.IsTruncated {
				break
			}
			if delim != "" {
				marker, _ = url.QueryUnescape(*page.NextMarker)
			}
		}
		want := wantListing(keys, "", delim, "")
		if !slices.Equal(got.keys, want.keys) || !slices.Equal(got.prefixes, want.prefixes) {
			t.Errorf("delimiter %q:\n got %q\nwant %q", delim, got, want)
		}
	}
}

// Without encoding-type a key that XML can hold comes as it is.
func TestListWithoutEncoding(t *testing.T) {
	srv := harness.S3(t)
	keys := []string{"a b+c%20", "new\nline", "<&>\"'", "日本語"}
	for _, k := range keys {
		put(t, srv, k, "x")
	}
	slices.Sort(keys)
	list, err := srv.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &srv.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range list.Contents {
		got = append(got, *o.Key)
	}
	if !slices.Equal(got, keys) {
		t.Errorf("got %q, want %q", got, keys)
	}
}

func TestListManyPages(t *testing.T) {
	srv := harness.S3(t)
	const n = 1050
	var keys []string
	for i := range n {
		k := fmt.Sprintf("dir%d/%04d", i%3, i)
		put(t, srv, k, "body of "+k)
		keys = append(keys, k)
	}
	slices.Sort(keys)
	srv.ResetCounts()
	if got := listAll(t, srv, s3.ListObjectsV2Input{}); !slices.Equal(got.keys, keys) {
		t.Errorf("%d keys, want %d", len(got.keys), n)
	}
	if got := srv.Count("ListObjectsV2"); got != 2 {
		t.Errorf("%d requests", got)
	}
	if got := listAll(t, srv, s3.ListObjectsV2Input{Delimiter: new("/")}); !slices.Equal(got.prefixes, []string{"dir0/", "dir1/", "dir2/"}) {
		t.Errorf("prefixes %q", got.prefixes)
	}
}
