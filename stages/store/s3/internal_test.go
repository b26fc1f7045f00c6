package s3

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/stages/store"
)

func TestParseRestore(t *testing.T) {
	until := time.Date(2012, 12, 21, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]store.RestoreState{
		"":                       {},
		`ongoing-request="true"`: {Ongoing: true},
		`ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`: {Until: until},
		`ongoing-request="false", expiry-date="soon"`:                          {},
		`ongoing-request="false", expiry-date="`:                               {},
	} {
		if got := parseRestore(&header); got != want {
			t.Errorf("%s: %+v, want %+v", header, got, want)
		}
	}
	if got := parseRestore(nil); got != (store.RestoreState{}) {
		t.Errorf("no header: %+v", got)
	}
}

func TestDecodeCRC(t *testing.T) {
	if got, ok := decodeCRC(encodeCRC(0xdeadbeef), types.ChecksumTypeFullObject); !ok || got != 0xdeadbeef {
		t.Errorf("%08x %v", got, ok)
	}
	for _, bad := range []string{"", "AAA", "AAAAAAAA", "!!!!"} {
		if _, ok := decodeCRC(&bad, types.ChecksumTypeFullObject); ok {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, ok := decodeCRC(encodeCRC(1), types.ChecksumTypeComposite); ok {
		t.Error("a CRC of CRCs is taken for the object's")
	}
}

func TestDecodeKey(t *testing.T) {
	for text, want := range map[string]string{"a+b%2Bc/%0A": "a b+c/\n", "plain": "plain"} {
		if got, err := decodeKey(&text, types.EncodingTypeUrl); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	text := "a+b%2B"
	if got, _ := decodeKey(&text, ""); got != text {
		t.Errorf("without encoding: %q", got)
	}
	bad := "%zz"
	if _, err := decodeKey(&bad, types.EncodingTypeUrl); err == nil {
		t.Error("a broken key is taken")
	}
}

// TestMade: on a server without CRCs the ETag decides, where it can.
func TestMade(t *testing.T) {
	parts := []store.Part{
		{Number: 1, Size: 10, ETag: "0cc175b9c0f1b6a831c399e269772661"}, {Number: 2, Size: 5, ETag: "92eb5ffee6ae2fec3ad71c777531578f"},
	}
	// MD5 of the two MD5s (of "a" and "b") laid end to end.
	const etag = "96e024ba2074fe77e8e965ba43a704be-2"
	sum := store.MultipartETag(parts)
	if sum != etag {
		t.Fatalf("%q", sum)
	}
	u := &upload{options: store.PutOptions{Meta: map[string]string{"md5": "x"}}}
	good := store.Object{Size: 15, ETag: sum, Meta: map[string]string{"md5": "x"}}
	for name, tt := range map[string]struct {
		change func(*store.Object)
		want   bool
	}{
		"by its ETag":    {func(*store.Object) {}, true},
		"by its CRC":     {func(o *store.Object) { o.ETag, o.HasCRC32C, o.CRC32C = "", true, 7 }, true},
		"other CRC":      {func(o *store.Object) { o.HasCRC32C, o.CRC32C = true, 8 }, false},
		"other ETag":     {func(o *store.Object) { o.ETag = "0cc175b9c0f1b6a831c399e269772661" }, false},
		"other size":     {func(o *store.Object) { o.Size = 16 }, false},
		"other metadata": {func(o *store.Object) { o.Meta = map[string]string{"md5": "y"} }, false},
		"no metadata":    {func(o *store.Object) { o.Meta = map[string]string{} }, false},
		"one name more":  {func(o *store.Object) { o.Meta = map[string]string{"md5": "x", "more": "1"} }, false},
	} {
		o := good
		tt.change(&o)
		if got := u.made(o, parts, 15, 7); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if sum := store.MultipartETag([]store.Part{{Number: 1, ETag: "not an MD5"}}); sum != "" {
		t.Error("an ETag that is no MD5 is taken for one")
	}
}
