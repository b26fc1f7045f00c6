package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"firn/stages/store"
	"firn/stages/store/awsconf"
	"firn/stages/store/s3"
	"firn/stages/store/storetest"
)

// BenchmarkPart sends parts, several at once, to a real server and to one that only reads, which is
// the ceiling.
func BenchmarkPart(b *testing.B) {
	b.Run("server", func(b *testing.B) {
		s := serve(b)
		benchmarkParts(b, s.open(b))
	})
	b.Run("sink", func(b *testing.B) {
		localEnv(b)
		sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("ETag", `"0cc175b9c0f1b6a831c399e269772661"`)
			if r.Method == http.MethodPost {
				fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
			}
		}))
		b.Cleanup(sink.Close)
		st, err := s3.Open(b.Context(), s3.Options{Bucket: "a-bucket", Options: awsconf.Options{Endpoint: sink.URL}})
		if err != nil {
			b.Fatal(err)
		}
		benchmarkParts(b, st)
	})
}

func benchmarkParts(b *testing.B, st store.Store) {
	for _, workers := range []int{1, 4} {
		for _, size := range []int{5 * mib, 16 * mib} {
			b.Run(fmt.Sprintf("workers=%d/size=%dMiB", workers, size/mib), func(b *testing.B) {
				body := storetest.Bytes("bench", size)
				crc := store.CRC32C(body)
				u, err := st.CreateUpload(b.Context(), "home/big", store.PutOptions{PartSize: int64(size)})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size * workers))
				b.ReportAllocs()
				for b.Loop() {
					errs := make([]error, workers)
					var wg sync.WaitGroup
					for i := range workers {
						wg.Go(func() { _, errs[i] = u.Part(b.Context(), i+1, body, crc) })
					}
					wg.Wait()
					if err := errors.Join(errs...); err != nil {
						b.Fatal(err)
					}
				}
				if err := u.Abort(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
