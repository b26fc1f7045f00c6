package harness_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"firn/bench/harness"
)

const minPart = 5 << 20

// noise gives n bytes that do not repeat.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{11}).Read(b) // never fails
	return string(b)
}

// upload is a multipart upload with CRC-32C over its parts and the whole.
type upload struct {
	t      *testing.T
	srv    *harness.S3Server
	client *s3.Client
	key    string
	id     string
	parts  []types.CompletedPart
}

func create(t *testing.T, srv *harness.S3Server, key string) *upload {
	t.Helper()
	u := &upload{t: t, srv: srv, client: srv.Client(), key: key}
	out, err := u.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &srv.Bucket, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, ChecksumType: types.ChecksumTypeFullObject,
		StorageClass: types.StorageClassGlacier, Metadata: map[string]string{"md5": "abc"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Key != key {
		t.Errorf("CreateMultipartUpload of %q answers for %q", key, *out.Key)
	}
	u.id = *out.UploadId
	return u
}

func (u *upload) part(number int32, body, crc string) error {
	u.t.Helper()
	out, err := u.client.UploadPart(u.t.Context(), &s3.UploadPartInput{
		Bucket: &u.srv.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: &number, Body: strings.NewReader(body), ChecksumCRC32C: &crc,
	})
	if err != nil {
		return err
	}
	if out.ChecksumCRC32C == nil || *out.ChecksumCRC32C != crc {
		u.t.Errorf("part %d: checksum %v", number, out.ChecksumCRC32C)
	}
	u.parts = append(u.parts, types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32C: &crc})
	return nil
}

func (u *upload) complete(crc string) (*s3.CompleteMultipartUploadOutput, error) {
	return u.client.CompleteMultipartUpload(u.t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &u.srv.Bucket, Key: &u.key, UploadId: &u.id, ChecksumCRC32C: &crc, ChecksumType: types.ChecksumTypeFullObject,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
}

func TestMultipartCRC32CFullObject(t *testing.T) {
	srv := harness.S3(t)
	for _, key := range []string{"k", "a", "a/b", "new\nline %/" + strings.Repeat("s", 600)} {
		a, b := noise(minPart), "the end"
		u := create(t, srv, key)
		// Parts may come in any order, and again.
		wantCode(t, "part 2", u.part(2, b, crc32c(b)), "")
		wantCode(t, "part 1", u.part(1, a, crc32c(a)), "")
		u.parts = u.parts[:0]
		wantCode(t, "part 1 again", u.part(1, a, crc32c(a)), "")
		wantCode(t, "part 2 again", u.part(2, b, crc32c(b)), "")
		out, err := u.complete(crc32c(a + b))
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if *out.Key != key || out.ChecksumCRC32C == nil || *out.ChecksumCRC32C != crc32c(a+b) || out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%q: key %q, checksum %v %q", key, *out.Key, out.ChecksumCRC32C, out.ChecksumType)
		}
		head, err := srv.Client().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		if *head.ContentLength != int64(len(a+b)) || head.StorageClass != types.StorageClassGlacier || head.Metadata["md5"] != "abc" {
			t.Errorf("%q: %d bytes, class %q, metadata %v", key, *head.ContentLength, head.StorageClass, head.Metadata)
		}
		if head.ChecksumCRC32C == nil || *head.ChecksumCRC32C != crc32c(a+b) || head.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%q: checksum %v %q", key, head.ChecksumCRC32C, head.ChecksumType)
		}
	}
}

func TestMultipartChecksItsChecksums(t *testing.T) {
	srv := harness.S3(t)
	a, b := noise(minPart), "the end"
	u := create(t, srv, "k")
	wantCode(t, "a part with a wrong CRC", u.part(1, a, crc32c(b)), "BadDigest")
	wantCode(t, "part 1", u.part(1, a, crc32c(a)), "")
	wantCode(t, "part 2", u.part(2, b, crc32c(b)), "")
	_, err := u.complete(crc32c(b + a))
	wantCode(t, "a wrong CRC over the whole", err, "BadDigest")
	_, err = srv.Client().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &srv.Bucket, Key: &u.key})
	wantCode(t, "head of what was refused", err, "NotFound")
	_, err = u.complete(crc32c(a + b))
	wantCode(t, "the right CRC after a wrong one", err, "")

	small := create(t, srv, "small")
	wantCode(t, "part 1", small.part(1, b, crc32c(b)), "")
	wantCode(t, "part 2", small.part(2, b, crc32c(b)), "")
	_, err = small.complete(crc32c(b + b))
	wantCode(t, "a first part under 5 MiB", err, "EntityTooSmall")
	small.id = "00000000-0000-0000-0000-000000000000"
	wantCode(t, "a part of no upload", small.part(1, b, crc32c(b)), "NoSuchUpload")
}

// What the server wants of a client beside right checksums.
func TestMultipartWantsItsAlgorithmThroughout(t *testing.T) {
	srv := harness.S3(t)
	body := "the end"
	u := create(t, srv, "k")
	_, err := u.client.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &srv.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: new(int32(1)), Body: strings.NewReader(body),
	})
	wantCode(t, "a part with the CRC-32 that the SDK adds by itself", err, "InvalidRequest")
	wantCode(t, "part", u.part(1, body, crc32c(body)), "")
	u.parts[0].ChecksumCRC32C = nil
	_, err = u.complete(crc32c(body))
	wantCode(t, "complete without the parts' CRCs", err, "InvalidRequest")
	u.parts[0].ChecksumCRC32C = new(crc32c(body))
	_, err = u.complete(crc32c(body))
	wantCode(t, "complete", err, "")
	_, err = u.complete(crc32c(body))
	wantCode(t, "complete once more, as after a lost answer", err, "")

	plain, err := u.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &srv.Bucket, Key: &u.key})
	wantCode(t, "create without an algorithm", err, "")
	u.id, u.parts = *plain.UploadId, nil
	wantCode(t, "a part with a CRC all the same", u.part(1, body, crc32c(body)), "")
	_, err = u.client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &srv.Bucket, Key: &u.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	wantCode(t, "complete with CRCs that create did not name", err, "InvalidPart")

	v := create(t, srv, "k")
	wantCode(t, "part", v.part(1, body, crc32c(body)), "")
	_, err = v.client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &srv.Bucket, Key: &v.key, UploadId: &v.id, IfNoneMatch: new("*"), ChecksumCRC32C: new(crc32c(body)),
		ChecksumType: types.ChecksumTypeFullObject, MultipartUpload: &types.CompletedMultipartUpload{Parts: v.parts},
	})
	wantCode(t, "complete where an object is", err, "PreconditionFailed")
}

func TestMultipartCRC64NVME(t *testing.T) {
	srv := harness.S3(t)
	client := srv.Client()
	a, b := noise(minPart), "the end"
	created, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &srv.Bucket, Key: new("k"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
	})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for i, body := range []string{a, b} {
		crc := crc64nvme(body)
		out, err := client.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &srv.Bucket, Key: new("k"), UploadId: created.UploadId, PartNumber: new(int32(i + 1)),
			Body: strings.NewReader(body), ChecksumCRC64NVME: &crc,
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: new(int32(i + 1)), ETag: out.ETag, ChecksumCRC64NVME: &crc})
	}
	whole := crc64nvme(a + b)
	out, err := client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &srv.Bucket, Key: new("k"), UploadId: created.UploadId, ChecksumCRC64NVME: &whole, ChecksumType: types.ChecksumTypeFullObject,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil || out.ChecksumCRC64NVME == nil || *out.ChecksumCRC64NVME != whole {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestUploadIsTakenUpFromItsParts(t *testing.T) {
	srv := harness.S3(t)
	a, b := noise(minPart), "the end"
	u := create(t, srv, "a/b")
	wantCode(t, "part 1", u.part(1, a, crc32c(a)), "")
	list, err := srv.Client().ListParts(t.Context(), &s3.ListPartsInput{Bucket: &srv.Bucket, Key: &u.key, UploadId: &u.id})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Parts) != 1 || *list.Parts[0].PartNumber != 1 || *list.Parts[0].Size != minPart || *list.Parts[0].ChecksumCRC32C != crc32c(a) {
		t.Errorf("parts %+v", list.Parts)
	}
	if *list.Key != "a/b" || list.StorageClass != types.StorageClassGlacier || list.ChecksumAlgorithm != types.ChecksumAlgorithmCrc32c ||
		list.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("key %q, class %q, checksum %q %q", *list.Key, list.StorageClass, list.ChecksumAlgorithm, list.ChecksumType)
	}
	u.parts = []types.CompletedPart{{PartNumber: new(int32(1)), ETag: list.Parts[0].ETag, ChecksumCRC32C: list.Parts[0].ChecksumCRC32C}}
	wantCode(t, "part 2", u.part(2, b, crc32c(b)), "")
	_, err = u.complete(crc32c(a + b))
	wantCode(t, "complete", err, "")
}

func TestAbort(t *testing.T) {
	srv := harness.S3(t)
	u := create(t, srv, "k")
	wantCode(t, "part", u.part(1, "x", crc32c("x")), "")
	abort := func() error {
		_, err := u.client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &srv.Bucket, Key: &u.key, UploadId: &u.id})
		return err
	}
	wantCode(t, "abort", abort(), "")
	wantCode(t, "second abort", abort(), "NoSuchUpload")
	wantCode(t, "a part after the abort", u.part(2, "x", crc32c("x")), "NoSuchUpload")
	if got := listUploads(t, srv, s3.ListMultipartUploadsInput{}); len(got) != 0 {
		t.Errorf("uploads %q", got)
	}
}

// listUploads gives `key id` of each upload, and prefixes, page by page.
func listUploads(t *testing.T, srv *harness.S3Server, in s3.ListMultipartUploadsInput) []string {
	t.Helper()
	in.Bucket = &srv.Bucket
	var got []string
	pages := s3.NewListMultipartUploadsPaginator(srv.Client(), &in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Uploads {
			got = append(got, *u.Key+" "+*u.UploadId)
			if u.StorageClass != types.StorageClassGlacier || u.Initiated == nil {
				t.Errorf("%q: class %q, initiated %v", *u.Key, u.StorageClass, u.Initiated)
			}
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
	}
	return got
}

func TestListMultipartUploads(t *testing.T) {
	srv := harness.S3(t)
	type made struct {
		key, id string
		order   int
	}
	var all []made
	for i, key := range []string{"p/b", "p/a", "p", "p/a", "q/" + strings.Repeat("s", 300), "p/a", "p/a b%", "r/x", "r/y"} {
		all = append(all, made{key, create(t, srv, key).id, i})
	}
	slices.SortStableFunc(all, func(a, b made) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.order, b.order)) })
	under := func(prefix string) []string {
		var want []string
		for _, m := range all {
			if strings.HasPrefix(m.key, prefix) {
				want = append(want, m.key+" "+m.id)
			}
		}
		return want
	}
	for _, prefix := range []string{"", "p", "p/", "p/a", "q", "q/" + strings.Repeat("s", 200), "nothing"} {
		for limit := range int32(4) {
			limit++
			got := listUploads(t, srv, s3.ListMultipartUploadsInput{Prefix: &prefix, MaxUploads: &limit})
			if want := under(prefix); !slices.Equal(got, want) {
				t.Errorf("prefix %q, pages of %d:\n got %q\nwant %q", prefix, limit, got, want)
			}
			folded := listUploads(t, srv, s3.ListMultipartUploadsInput{Delimiter: new("/"), MaxUploads: &limit})
			slices.Sort(folded)
			if want := append(under("p")[:1:1], "p/", "q/", "r/"); !slices.Equal(folded, want) {
				t.Errorf("folded, pages of %d:\n got %q\nwant %q", limit, folded, want)
			}
		}
	}
}

func TestManyParts(t *testing.T) {
	srv := harness.S3(t)
	u := create(t, srv, "k")
	const n = 1200
	for i := range int32(n) {
		body := fmt.Sprint(i)
		if err := u.part(i+1, body, crc32c(body)); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	pages := s3.NewListPartsPaginator(u.client, &s3.ListPartsInput{Bucket: &srv.Bucket, Key: &u.key, UploadId: &u.id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Parts {
			seen++
			if int(*p.PartNumber) != seen {
				t.Fatalf("part %d is the %dth", *p.PartNumber, seen)
			}
		}
	}
	if seen != n || srv.Count("ListParts") != 2 {
		t.Errorf("%d parts in %d pages", seen, srv.Count("ListParts"))
	}
}
