// Package upload stores encrypted archives. The encrypt stage fills parts of equal size, and the
// upload stage sends them, as many at a time as it has workers. An archive that fits into one part
// is stored by one Put. Part buffers take their memory from a budget.
//
// An archive is stored completely or not at all: its last part completes the upload, aborts it, or
// leaves it to be taken up by a later run.
package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/store"
)

// createTimeout is how long a cancelled run waits for the id of an upload that it began.
const createTimeout = 5 * time.Second

// An Item is what an object is stored for. Send returns it with the stored object, or it is dropped
// with the reason why there is none.
type Item interface {
	fmt.Stringer
	pipeline.Dropper
}

// A Sender makes parts and sends them.
type Sender struct {
	Store    store.Store
	PartSize int64 // bytes; larger for objects that would have too many parts
	Memory   *pipeline.Budget
	Encrypt  *pipeline.Stage // whose counters are kept
	Upload   *pipeline.Stage
	// Warn is called for an upload that could not be aborted.
	Warn func(key string, err error)

	buffers sync.Pool // *[]byte of PartSize
}

// A Job is one object to be stored.
type Job struct {
	Key     string
	Options store.PutOptions
	Size    int64     // bytes of the object
	Source  io.Reader // of its bytes; read once, in order
	Item    Item

	// PartSize is that of the parts, in bytes; 0 leaves it to the Sender.
	PartSize int64
	// Upload is an upload of an earlier run to go on with, of parts of PartSize; nil begins one. Held
	// are the parts that the store holds of it: one that is what Source gives is not sent again.
	Upload store.Upload
	Held   []store.Part
	// Began is called with the id of an upload that was begun, before a part of it is sent; nil is
	// allowed, as for what follows. An error of it is one of the upload.
	Began func(id string, partSize int64) error
	// Passed is called as bytes of parts leave, with a negative number when they did so in vain; nil is
	// allowed. In all, it has seen the bytes of the parts that this run stored.
	Passed func(bytes int64)
	// Spared is called for a part that was not sent again, with its bytes.
	Spared func(bytes int64)
	// Keep reports whether an upload that failed is left as it is, to be taken up; else it is aborted.
	// broken says that the source failed.
	Keep func(reason error, broken bool) bool
	// Aborted is called when an upload that failed is gone.
	Aborted func()
	// Retake is asked about the failure of an upload, and about an object that was refused because of
	// another one that has its key. If it returns true, Send does not return the
	// failure; when nothing of the job is under way any more, Return gets the item, instead of Drop.
	Retake func(reason error) bool
	Return func(reason error, broken bool)

	sender   *Sender
	partSize int64
	broken   atomic.Bool  // the source failed
	cutOff   atomic.Bool  // a part failed; the store may have it or not
	left     atomic.Int32 // parts that are neither sent nor dropped
	retaken  atomic.Bool  // Return gets the item
	sum      uint32       // CRC-32C of the whole object; set before the last part is emitted

	parts  []store.Part                 // that are stored
	begin  func() (store.Upload, error) // begins the upload, once
	upload store.Upload                 // nil until begun
	failed atomic.Pointer[error]        // the first failure
}

// A Part is a part of an object.
type Part struct {
	job    *Job
	number int // from 1
	buf    *[]byte
	share  int64
	crc    uint32
	held   *store.Part   // the store holds it; nil: it is to be sent
	made   *store.Object // in the place of all parts: an earlier run completed the object
}

// String returns the item's.
func (p *Part) String() string { return p.job.Item.String() }

// Item returns what the part's object is stored for.
func (p *Part) Item() Item { return p.job.Item }

// Parts reads the job's object to its end and emits it in parts. After an error nothing is stored,
// and the item is dropped with the last part.
func (s *Sender) Parts(ctx context.Context, j *Job, emit func(*Part) error) error {
	size := j.PartSize
	if size == 0 {
		var err error
		if size, err = s.Store.Limits().PartSize(j.Size, s.PartSize, s.Memory.Size()); err != nil {
			j.Item.Drop(err)
			return err
		}
	}
	j.sender, j.partSize, j.upload = s, size, j.Upload
	j.Options.PartSize = size
	count := int((j.Size + size - 1) / size)
	j.parts = make([]store.Part, count)
	j.begin = sync.OnceValues(func() (store.Upload, error) {
		if j.Upload != nil {
			return j.Upload, nil
		}
		// A request that is cut off may begin an upload without telling its id.
		longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		stop := context.AfterFunc(ctx, func() {
			time.AfterFunc(createTimeout, func() { cancel(context.Cause(ctx)) })
		})
		defer stop()
		upload, err := s.Store.CreateUpload(longer, j.Key, j.Options)
		if err == nil {
			j.upload = upload
			if j.Began != nil {
				err = j.Began(upload.ID(), size)
			}
		}
		return upload, err
	})
	j.left.Store(int32(count))
	for n := 1; n <= count; n++ {
		if err := j.failure(); err != nil {
			j.settle(ctx, count-n+1)
			return nil // the part that failed returned it
		}
		p, err := s.fill(ctx, j, n, count)
		if err != nil {
			j.broken.Store(ctx.Err() == nil)
			err = j.fail(err)
			j.settle(ctx, count-n+1)
			return err
		}
		if err := emit(p); err != nil {
			j.settle(ctx, count-n) // emit dropped p
			return err
		}
	}
	return nil
}

// Made emits an object that an earlier run completed: Send returns it with the job's item.
func (s *Sender) Made(j *Job, object store.Object, emit func(*Part) error) error {
	j.sender = s
	j.left.Store(1)
	return emit(&Part{job: j, made: &object})
}

// Close lets go of the upload that the job was to go on with, if Parts is not called.
func (j *Job) Close() error {
	if j.Upload == nil {
		return nil
	}
	return j.Upload.Close()
}

// fill makes part n of count. The last one checks that the source ends.
func (s *Sender) fill(ctx context.Context, j *Job, n, count int) (*Part, error) {
	want := min(j.partSize, j.Size-int64(n-1)*j.partSize)
	size := j.partSize
	if want <= size/small {
		size = want
	}
	share, err := s.Encrypt.Acquire(ctx, s.Memory, size)
	if err != nil {
		return nil, err
	}
	p := &Part{job: j, number: n, buf: s.buffer(size), share: share}
	*p.buf = (*p.buf)[:want]
	if _, err = io.ReadFull(j.Source, *p.buf); err == nil && n == count {
		var more [1]byte
		if _, end := io.ReadFull(j.Source, more[:]); end == nil {
			err = errors.New("there are more bytes than expected")
		} else if end != io.EOF {
			err = end
		}
	}
	if err != nil {
		p.release()
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	p.crc = store.CRC32C(*p.buf)
	j.sum = store.CombineCRC32C(j.sum, p.crc, want)
	s.Encrypt.AddOut(want)
	p.held = j.holds(p)
	return p, nil
}

// holds returns the part of which the store holds the bytes of p, as Complete wants it; nil if it
// does not.
func (j *Job) holds(p *Part) *store.Part {
	i, found := slices.BinarySearchFunc(j.Held, p.number, func(h store.Part, n int) int { return cmp.Compare(h.Number, n) })
	if !found {
		return nil
	}
	held := j.Held[i]
	now := store.Part{Number: p.number, Size: int64(len(*p.buf)), CRC32C: p.crc, HasCRC32C: true}
	if !held.HasCRC32C {
		now.ETag = store.PutETag(*p.buf)
	}
	if !held.Holds(now) {
		return nil
	}
	now.ETag = held.ETag
	return &now
}

// small is the share of a part's size up to which a part has a buffer of its own size.
const small = 4

// buffer is one of size bytes. Those of less than PartSize are not used again.
func (s *Sender) buffer(size int64) *[]byte {
	if size >= s.PartSize {
		if b, ok := s.buffers.Get().(*[]byte); ok && int64(cap(*b)) >= size {
			return b
		}
	}
	b := make([]byte, size)
	return &b
}

func (p *Part) release() {
	if p.made != nil {
		return
	}
	s := p.job.sender
	if int64(cap(*p.buf)) >= s.PartSize {
		s.buffers.Put(p.buf)
	}
	s.Memory.Release(p.share)
}

// Drop gives up the part and its object.
func (p *Part) Drop(reason error) {
	p.job.fail(reason)
	p.release()
	p.job.settle(context.Background(), 1)
}

// Send stores one part. With the part that completes the object it returns the job's item and the
// object, with every other a nil item. Of the errors of one job's parts only the first is returned.
func (s *Sender) Send(ctx context.Context, p *Part) (_ Item, object store.Object, err error) {
	j := p.job
	if p.made != nil {
		j.left.Add(-1)
		return j.Item, *p.made, nil
	}
	if j.failure() == nil {
		object, err = j.send(ctx, p)
		err = j.told(j.fail(err))
	}
	p.release()
	if j.left.Add(-1) > 0 {
		return nil, store.Object{}, err
	}
	if j.failure() == nil && len(j.parts) > 1 {
		object, err = j.upload.Complete(ctx, j.parts, j.sum)
		err = j.told(j.fail(err))
	}
	if j.failure() != nil {
		j.giveUp(ctx)
		return nil, store.Object{}, err
	}
	return j.Item, object, nil
}

// send stores a part, or the object if it has one part.
func (j *Job) send(ctx context.Context, p *Part) (object store.Object, err error) {
	if p.held != nil {
		j.parts[p.number-1] = *p.held
		if j.Spared != nil {
			j.Spared(int64(len(*p.buf)))
		}
		return object, nil
	}
	ctx, ended := j.passing(ctx, int64(len(*p.buf)))
	defer func() { ended(err) }()
	if len(j.parts) == 1 {
		o := j.Options
		o.CRC32C = j.sum
		object, err = j.sender.Store.Put(ctx, j.Key, *p.buf, o)
	} else {
		var upload store.Upload
		if upload, err = j.begin(); err != nil {
			return object, err
		}
		j.parts[p.number-1], err = upload.Part(ctx, p.number, *p.buf, p.crc)
		if err != nil {
			j.cutOff.Store(true)
		}
	}
	if err == nil {
		j.sender.Upload.AddOut(int64(len(*p.buf)))
	}
	return object, err
}

// passing has the bytes of a part counted as they leave, until ended is called. The store may have them
// from a try whose answer was lost, and a driver may count none.
func (j *Job) passing(ctx context.Context, size int64) (_ context.Context, ended func(err error)) {
	if j.Passed == nil {
		return ctx, func(error) {}
	}
	var sum atomic.Int64
	passed := func(bytes int64) {
		sum.Add(bytes)
		j.Passed(bytes)
	}
	return store.Passing(ctx, passed), func(err error) {
		if err != nil {
			size = 0
		}
		j.Passed(size - sum.Load())
	}
}

// fail keeps the first error of the job, and returns err if it is that, else nil.
func (j *Job) fail(err error) error {
	if err != nil && j.failed.CompareAndSwap(nil, &err) {
		return err
	}
	return nil
}

func (j *Job) failure() error {
	if err := j.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// told returns the error with which an upload failed, unless it is taken up again.
func (j *Job) told(err error) error {
	refused := errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrReplaced)
	if err != nil && (len(j.parts) > 1 || refused) && j.Retake != nil && j.Retake(err) {
		j.retaken.Store(true)
		return nil
	}
	return err
}

// settle counts parts that will not be sent; the last ends a failed job.
func (j *Job) settle(ctx context.Context, parts int) {
	if parts > 0 && j.left.Add(int32(-parts)) == 0 {
		j.giveUp(ctx)
	}
}

// abort aborts the upload. A part that was cut off may be stored after that, which brings the
// upload back (S3 API reference, AbortMultipartUpload), so abort looks again, later each time.
func (j *Job) abort(ctx context.Context) error {
	const first, last = 50 * time.Millisecond, 500 * time.Millisecond
	for wait := first; ; wait *= 3 {
		if err := j.upload.Abort(ctx); err != nil || !j.cutOff.Load() || wait > last {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		back := false
		err := j.sender.Store.Uploads(ctx, j.Key, func(u store.PendingUpload) error {
			back = back || u.ID == j.upload.ID()
			return nil
		})
		if err != nil || !back && wait > first {
			return err
		}
	}
}

// giveUp aborts the upload, in a cancelled run too, unless it is to be kept, and drops the item or
// returns it.
func (j *Job) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.AbortTimeout)
	defer cancel()
	switch reason, broken := j.failure(), j.broken.Load(); {
	case j.upload == nil:
	case j.Keep != nil && j.Keep(reason, broken):
		_ = j.upload.Close() // what it holds is stored
	default:
		err := j.abort(ctx)
		if err != nil && j.sender.Warn != nil {
			j.sender.Warn(j.Key, err)
		}
		if err == nil && j.Aborted != nil {
			j.Aborted()
		}
	}
	if j.retaken.Load() {
		j.Return(j.failure(), j.broken.Load())
		return
	}
	j.Item.Drop(j.failure())
}
