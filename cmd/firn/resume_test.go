package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"firn/bench/harness"
	"firn/bench/stagestest"
	"firn/stages/store"
	"firn/stages/store/storetest"
)

// What TestResumed stores: an archive of so many parts, sent by so many workers at a time.
const (
	resumedBytes   = 24 << 20
	resumedParts   = 5
	resumedWorkers = 2
	resumedPart    = 5 << 20
)

// summary runs firn to its end and gives its summary, and what it warned of.
func (s *site) summary(flags ...string) (end struct {
	Resumed int64 `json:"uploads_resumed"`
	Spared  int64 `json:"spared_bytes"`
	Stored  int64 `json:"stored_bytes"`
}, warned []string) {
	s.t.Helper()
	p := s.start(append(flags, "--json")...)
	out := p.out
	if code := p.end(); code != exitDone {
		s.t.Fatalf("exit code %d:\n%s%s", code, p.said.String(), out.String())
	}
	for line := range strings.Lines(out.String()) {
		var e struct{ Event, Text string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		switch e.Event {
		case "warning":
			warned = append(warned, e.Text)
		case "summary":
			if err := json.Unmarshal([]byte(line), &end); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return end, warned
}

// resumed is how a run is killed, and what becomes of its upload.
type resumed struct {
	op     string // the call in which firn is killed
	n      int
	lost   bool        // that call is answered, and the answer lost
	change func(*site) // between the runs
	flags  []string    // of the second run
	both   bool        // and of the first
	resent int         // parts at most that are sent again; resumedParts is all
	told   string      // in a warning; "" if there is none
}

var resumedCases = map[string]resumed{
	"killed at 10 %":         {op: "UploadPart", n: 1, resent: resumedWorkers},
	"killed at 50 %":         {op: "UploadPart", n: 3, resent: resumedWorkers},
	"killed at 90 %":         {op: "UploadPart", n: 5, resent: resumedWorkers},
	"killed before Complete": {op: "CompleteMultipartUpload", n: 1},
	"killed in Complete":     {op: "CompleteMultipartUpload", n: 1, lost: true},
	"spool lost": {op: "UploadPart", n: 4, resent: resumedWorkers, change: func(s *site) {
		_ = os.RemoveAll(filepath.Join(s.cache(), "firn-spool"))
	}},
	"spool changed": {op: "UploadPart", n: 4, resent: resumedWorkers, told: "is not what was written", change: func(s *site) {
		f, err := os.OpenFile(s.kept(), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("spoiled"), 1<<20)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			s.t.Fatal(err)
		}
	}},
	"spool cut off": {op: "UploadPart", n: 4, resent: resumedWorkers, told: "is not what was written", change: func(s *site) {
		if err := os.Truncate(s.kept(), 3<<20); err != nil {
			s.t.Fatal(err)
		}
	}},
	"source changed": {op: "UploadPart", n: 4, resent: resumedParts, change: func(s *site) {
		stagestest.Noise(s.t, filepath.Join(s.tree(), "a", "noise"), 77, resumedBytes)
	}},
	"part size changed": {op: "UploadPart", n: 4, flags: []string{"--part-size", "6MiB"}, resent: resumedWorkers},
	"upload gone":       {op: "UploadPart", n: 4, change: (*site).abort, resent: resumedParts, told: "begins anew"},
	"no resume":         {op: "UploadPart", n: 4, flags: []string{"--no-resume"}, resent: resumedParts},
	"none left": {op: "UploadPart", n: 4, flags: []string{"--no-resume"}, both: true, resent: resumedParts, change: func(s *site) {
		if left, _ := filepath.Glob(filepath.Join(s.cache(), "firn-spool", "*")); len(left) > 0 {
			s.t.Errorf("in the spool: %v", left)
		}
	}},
	"larger than the spool": {op: "UploadPart", n: 4, flags: []string{"--spool-limit", "8MiB"}, both: true, resent: resumedWorkers},
}

// kept is the spool file that a killed run left.
func (s *site) kept() string {
	s.t.Helper()
	kept, err := filepath.Glob(filepath.Join(s.cache(), "firn-spool", "*.kept"))
	if err != nil || len(kept) != 1 {
		s.t.Fatal(kept, err)
	}
	return kept[0]
}

// An upload that was interrupted is taken up where it was, whatever interrupted it. What changed
// meanwhile is uploaded anew, and what is not what it should be is told in one line.
func TestResumed(t *testing.T) {
	cases := maps.Clone(resumedCases)
	cases["part forged"] = resumed{op: "UploadPart", n: 4, change: (*site).forgePart, resent: resumedWorkers + 1}
	cases["object forged"] = resumed{op: "CompleteMultipartUpload", n: 1, lost: true, change: (*site).forgeObject, resent: resumedParts, told: "begins anew"}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			stagestest.Noise(t, filepath.Join(s.tree(), "a", "noise"), 7, resumedBytes)
			reached, release := s.hold(test.op, test.n)
			if test.lost {
				reached, release = s.loseAndHold(test.op)
			}
			p := s.start(test.first()...)
			<-reached
			p.signal(syscall.SIGKILL)
			p.end()
			held := s.held()
			release()
			s.resumes(name, test, held)
		})
	}
}

// The same on a store in a directory.
func TestResumedInDirectory(t *testing.T) {
	for name, test := range resumedCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site{t: t, dir: t.TempDir()}
			s.root = filepath.Join(s.dir, "store")
			s.plant(nil)
			s.run(exitDone) // what is made once is there
			stagestest.Noise(t, filepath.Join(s.tree(), "a", "noise"), 7, resumedBytes)
			unlock := s.lock()
			p := s.start(test.first()...)
			want := max(test.n-1, 1) // before the first part is stored, the state file may not name the upload yet
			if test.op != "UploadPart" {
				want = resumedParts
			}
			for s.held() < want {
				runtime.Gosched()
			}
			held := s.held()
			before := filepath.Join(s.dir, "before")
			if test.lost {
				// Nothing but the object is stored, and the state file is as if its last write was lost.
				s.pipe(nil, "cp", "-a", s.cache(), before)
				key := s.tree()[1:] + "/a.tar.gz"
				unlock(stripe(key))
				for info, err := os.Stat(filepath.Join(s.root, key)); err != nil || info.Size() < resumedBytes; info, err = os.Stat(filepath.Join(s.root, key)) {
					runtime.Gosched()
				}
			}
			p.signal(syscall.SIGKILL)
			p.end()
			if test.lost {
				s.pipe(nil, "rm", "-r", s.cache())
				s.pipe(nil, "mv", before, s.cache())
			}
			unlock(-1)
			s.resumes(name, test, held)
		})
	}
}

func (r resumed) first() []string {
	flags := []string{"--upload-workers", "2"}
	if r.both {
		flags = append(flags, r.flags...)
	}
	return flags
}

// resumes runs firn again after a run that was killed when the store held so many parts, and checks what
// it does.
func (s *site) resumes(name string, test resumed, held int) {
	s.t.Helper()
	if test.change != nil {
		test.change(s)
	}
	if s.root == "" {
		s.proxy.ResetCounts()
	}
	end, warned := s.summary(append([]string{"--upload-workers", "2"}, test.flags...)...)
	spared := int((end.Spared + resumedPart - 1) / resumedPart)
	again, kind := max(0, held-spared), "file://"
	if s.root == "" {
		kind = "S3"
		if sent := int(s.proxy.Count("UploadPart")); sent != resumedParts-spared {
			s.t.Errorf("%d parts were sent, and %d spared", sent, spared)
		}
	}
	s.t.Logf("| %s | %s | %d of %d | %d | %d MiB |", kind, name, held, resumedParts, resumedParts-spared, again*resumedPart>>20)
	if again > test.resent || test.resent < resumedParts && end.Resumed != 1 || test.resent == resumedParts && end.Resumed != 0 {
		s.t.Errorf("%d parts were stored, and %d are sent again: %+v", held, again, end)
	}
	if test.told == "" && len(warned) > 0 || test.told != "" && (len(warned) != 1 || !strings.Contains(warned[0], test.told)) {
		s.t.Errorf("warned of %q", warned)
	}
	s.whole()
}

// lock keeps the store in the directory from putting any object in its place, until unlock is called with
// the stripe of its key, or with -1 for all.
func (s *site) lock() (unlock func(stripe int)) {
	s.t.Helper()
	locks := map[int]*os.File{}
	for i := range stripes {
		f, err := os.OpenFile(filepath.Join(s.root, ".firn-store", "locks", strconv.Itoa(i)), os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		locks[i] = f
	}
	return func(stripe int) {
		for i, f := range locks {
			if stripe < 0 || stripe == i {
				_ = f.Close() // nothing was written
				delete(locks, i)
			}
		}
	}
}

// stripes is how many locks a store in a directory has.
const stripes = 64

func stripe(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(key))) // a hash never fails
	return int(h.Sum32() % stripes)
}

// noted are the notes of the unfinished uploads in a directory.
func (s *site) noted() []string {
	files, err := filepath.Glob(filepath.Join(s.root, ".firn-store", "uploads", "*.parts"))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// forgePart replaces a part of the unfinished upload by another one of the same size and CRC.
func (s *site) forgePart() {
	s.t.Helper()
	list, err := s.server.Client().ListMultipartUploads(s.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.server.Bucket})
	if err != nil || len(list.Uploads) != 1 {
		s.t.Fatal(list, err)
	}
	key, id := list.Uploads[0].Key, list.Uploads[0].UploadId
	parts, err := s.server.Client().ListParts(s.t.Context(), &s3.ListPartsInput{Bucket: &s.server.Bucket, Key: key, UploadId: id})
	if err != nil || len(parts.Parts) == 0 {
		s.t.Fatal(parts, err)
	}
	part := parts.Parts[0]
	body := make([]byte, *part.Size)
	if part.ChecksumCRC32C != nil {
		sum, err := base64.StdEncoding.DecodeString(*part.ChecksumCRC32C)
		if err != nil {
			s.t.Fatal(err)
		}
		body = storetest.Forge(body, binary.BigEndian.Uint32(sum))
	}
	_, err = s.server.Client().UploadPart(s.t.Context(), &s3.UploadPartInput{
		Bucket: &s.server.Bucket, Key: key, UploadId: id, PartNumber: part.PartNumber, Body: bytes.NewReader(body), ChecksumCRC32C: part.ChecksumCRC32C,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// forgeObject replaces the object of the large archive by another one of the same size, metadata and CRC.
func (s *site) forgeObject() {
	s.t.Helper()
	for key := range s.etags() {
		out, err := s.server.Client().GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &s.server.Bucket, Key: &key})
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(out.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		crc := store.CRC32C(body)
		body[100] ^= 1
		sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
		_, err = s.server.Client().PutObject(s.t.Context(), &s3.PutObjectInput{
			Bucket: &s.server.Bucket, Key: &key, Body: bytes.NewReader(storetest.Forge(body, crc)), Metadata: out.Metadata, ChecksumCRC32C: &sum,
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// loseAndHold loses the answer of the first call of an operation, and holds what comes after it.
func (s *site) loseAndHold(op string) (reached <-chan struct{}, release func()) {
	arrived, free := make(chan struct{}), make(chan struct{})
	lost := false
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case lost:
			select {
			case <-arrived:
			default:
				close(arrived)
			}
			return harness.Fault{Hold: free}
		case c.Op == op:
			lost = true
			return harness.Fault{LoseResponse: true}
		}
		return harness.Fault{}
	})
	return arrived, func() {
		s.proxy.SetRule(nil)
		close(free)
	}
}

// Of two runs that store the same archives, the one that completes last leaves the other's in place.
func TestCompletedByAnother(t *testing.T) {
	s := newSite(t, []string{"a"})
	arrived, free := make(chan struct{}), make(chan struct{})
	s.proxy.SetRule(func(c harness.Call) harness.Fault {
		if c.Op != "CompleteMultipartUpload" || c.Number > 1 {
			return harness.Fault{}
		}
		close(arrived)
		return harness.Fault{Hold: free}
	})
	p := s.start()
	<-arrived
	s.run(exitDone, "--cache-path", filepath.Join(s.dir, "other cache"))
	before := s.etags()
	close(free)
	if code := p.end(); code != exitIncomplete {
		t.Errorf("exit code %d", code)
	}
	says(t, p.said.String(), "another run stored it")
	if after := s.etags(); !maps.Equal(before, after) {
		t.Errorf("stored were %v, and are %v", before, after)
	}
	s.whole()
}

// etags are those of the large archives, by key.
func (s *site) etags() map[string]string {
	s.t.Helper()
	tags := map[string]string{}
	for _, k := range s.keys() {
		out, err := s.server.Client().HeadObject(s.t.Context(), &s3.HeadObjectInput{Bucket: &s.server.Bucket, Key: &k})
		if err != nil {
			s.t.Fatal(err)
		}
		if *out.ContentLength > 5<<20 {
			tags[k] = *out.ETag
		}
	}
	return tags
}
