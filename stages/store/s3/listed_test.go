package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"firn/pipeline"
	"firn/stages/store"
	"firn/stages/store/awsconf"
)

// TestEndlessListings has servers whose listings do not end, or are not of what was asked for. Each
// is refused with a word, after few requests.
func TestEndlessListings(t *testing.T) {
	localEnv(t)
	page := func(keys ...string) string {
		var b strings.Builder
		for _, key := range keys {
			fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>1</Size></Contents>", key)
		}
		return b.String()
	}
	uploads := func(key string) string {
		return fmt.Sprintf("<Upload><Key>%s</Key><UploadId>1</UploadId></Upload>", key)
	}
	for _, tt := range []struct {
		name string
		list func(n int) (page, token string) // the nth answer, from 0 on
		up   func(n int) (page, key, id string)
		want string
		most int // requests
	}{
		{name: "a token twice", list: func(n int) (string, string) { return page(fmt.Sprintf("p/%06d", n)), "same" }, want: "same continuation token twice", most: 2},
		{name: "no token", list: func(int) (string, string) { return page("p/a"), "" }, want: "no token", most: 1},
		{name: "tokens in a circle", list: func(n int) (string, string) { return page(fmt.Sprintf("p/%d", n%2)), fmt.Sprint(n % 2) }, want: `"p/0" after "p/1"`, most: 3},
		{name: "empty pages", list: func(n int) (string, string) { return "", fmt.Sprint(n) }, want: "empty", most: 1001},
		{name: "a key again", list: func(n int) (string, string) { return page("p/a", "p/a"), fmt.Sprint(n) }, want: "not in order", most: 1},
		{name: "a key before", list: func(n int) (string, string) { return page("p/b", "p/a"), fmt.Sprint(n) }, want: "not in order", most: 1},
		{name: "a key elsewhere", list: func(n int) (string, string) { return page("q/b"), fmt.Sprint(n) }, want: `does not begin with "p/"`, most: 1},
		{name: "no key", list: func(n int) (string, string) { return page(""), fmt.Sprint(n) }, want: `does not begin with "p/"`, most: 1},

		{name: "uploads: a marker twice", up: func(int) (string, string, string) { return uploads("p/a"), "p/a", "1" }, want: "same continuation token twice", most: 2},
		{name: "uploads: markers in a circle", up: func(n int) (string, string, string) { return uploads("p/a"), fmt.Sprint("p/", n%2), "1" }, want: "goes back", most: 3},
		{name: "uploads: empty pages", up: func(n int) (string, string, string) { return "", "p/a", fmt.Sprint(n) }, want: "empty", most: 1001},
		{name: "uploads: a key elsewhere", up: func(int) (string, string, string) { return uploads("q"), "q", "1" }, want: `does not begin with "p/"`, most: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			st := answer(t, func(w http.ResponseWriter, r *http.Request) {
				if n++; n > 2*tt.most {
					http.Error(w, "enough", 400)
					return
				}
				if tt.list != nil {
					body, token := tt.list(n - 1)
					fmt.Fprintf(w, `<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>`, token, body)
					return
				}
				body, key, id := tt.up(n - 1)
				fmt.Fprintf(w, `<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>%s</NextUploadIdMarker>%s</ListMultipartUploadsResult>`, key, id, body)
			})
			var err error
			if tt.list != nil {
				err = st.List(t.Context(), "p/", func(store.Object) error { return nil })
			} else {
				err = st.Uploads(t.Context(), "p/", func(store.PendingUpload) error { return nil })
			}
			mustSay(t, err, tt.list != nil, tt.want)
			if n != tt.most {
				t.Errorf("%d requests, not %d", n, tt.most)
			}
		})
	}
}

// TestEndlessParts has servers whose listings of parts do not end, or can't be true.
func TestEndlessParts(t *testing.T) {
	localEnv(t)
	part := func(number, size int) string {
		return fmt.Sprintf("<Part><PartNumber>%d</PartNumber><Size>%d</Size></Part>", number, size)
	}
	for _, tt := range []struct {
		name string
		list func(n int) (page, next string) // the nth answer, from 0 on; next "" ends the listing
		want string
		most int // requests
	}{
		{"a part again", func(int) (string, string) { return part(1, 5*mib), "1" }, "does not end", 2},
		{"no marker", func(n int) (string, string) { return part(n+1, 5*mib), "x" }, "does not end", 1},
		{"an empty page", func(int) (string, string) { return "", "1" }, "empty", 1},
		{"more than there can be", func(n int) (string, string) { return part(5001+5000*n, 5*mib), fmt.Sprint(5001 + 5000*n) }, "numbers must rise, to 10000", 0},
		{"numbers that fall", func(int) (string, string) { return part(2, 5*mib) + part(1, 5*mib), "" }, "numbers must rise", 1},
		{"no number", func(int) (string, string) { return part(0, 5*mib), "" }, "numbers must rise", 1},
		{"an empty part", func(int) (string, string) { return part(1, 0), "" }, store.ErrOtherParts.Error(), 1},
		{"a negative one", func(int) (string, string) { return part(1, -1), "" }, store.ErrOtherParts.Error(), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			st := answer(t, func(w http.ResponseWriter, _ *http.Request) {
				body, next := tt.list(n)
				if n++; n > 3 {
					next = ""
				}
				fmt.Fprintf(w, `<ListPartsResult><UploadId>id</UploadId><IsTruncated>%t</IsTruncated><NextPartNumberMarker>%s</NextPartNumberMarker>%s</ListPartsResult>`, next != "", next, body)
			})
			_, _, err := st.ResumeUpload(t.Context(), "k", "id", store.PutOptions{PartSize: 5 * mib})
			mustSay(t, err, false, tt.want)
			if tt.most > 0 && n != tt.most {
				t.Errorf("%d requests, not %d", n, tt.most)
			}
		})
	}
}

// TestEndlessAnswers has a server whose answers do not end: they are refused once they are larger
// than any may be. Only an object may be of any size.
func TestEndlessAnswers(t *testing.T) {
	localEnv(t)
	var requests, sent atomic.Int64
	text := []byte(strings.Repeat(strings.Repeat("x", 1020)+"<y/>", 1<<10)) // one long text would be copied as it grows
	st := answer(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Query().Get("status") != "" || strings.HasSuffix(r.URL.Path, "refused") {
			w.WriteHeader(400)
		}
		fmt.Fprint(w, `<ListBucketResult><Name>b</Name><Owner>`)
		for sent.Store(0); sent.Load() < 1<<30 && r.Context().Err() == nil; sent.Add(1 << 20) {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
	})
	for name, do := range map[string]func() error{
		"list":    func() error { return st.List(t.Context(), "", func(store.Object) error { return nil }) },
		"uploads": func() error { return st.Uploads(t.Context(), "", func(store.PendingUpload) error { return nil }) },
		"check":   func() error { return st.Check(t.Context(), store.ToRead) },
		"put": func() error {
			_, err := st.Put(t.Context(), "refused", nil, store.PutOptions{})
			return err
		},
		"get": func() error {
			_, err := st.Get(t.Context(), "refused", store.GetOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			requests.Store(0)
			err := do()
			mustSay(t, err, true, "larger than any such answer")
			if !errors.Is(err, awsconf.ErrAnswerSize) || !pipeline.IsFatal(err) || requests.Load() != 1 {
				t.Errorf("%v, after %d requests", err, requests.Load())
			}
			if n := sent.Load(); n > 40<<20 {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}
