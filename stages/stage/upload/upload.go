// Package upload stores encrypted archives: the encrypt stage fills parts of equal size, one after
// the other, and the upload stage sends them, as many at a time as it has workers over all
// archives. What fits into one part is stored by one Put. Ciphertext exists in part buffers only,
// which take their memory from a budget.
//
// An archive is stored whole or not at all: its last part to be sent, or dropped, completes the
// upload or aborts it.
package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/store"
)

// createTimeout is how long a cancelled run waits for the answer that says which upload was begun.
const createTimeout = 5 * time.Second

// linger returns a context that ends some time after ctx, with its cause.
func linger(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(after):
			cancel(context.Cause(ctx))
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel(context.Canceled)
	}
}

// An Item is what an upload is made for. It is handed back with the stored object, or dropped with
// the reason why there is none.
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

	sender   *Sender
	partSize int64
	cutOff   atomic.Bool  // a part failed, and nobody knows what the store has of it
	left     atomic.Int32 // parts neither sent nor dropped
	sum      uint32       // CRC-32C of the whole object; set before the last part is emitted

	parts  []store.Part
	begin  func() (store.Upload, error) // once, for the first part that gets there
	upload store.Upload                 // nil until begun

	mu     sync.Mutex
	failed error
}

// A Part is a stretch of an object on its way.
type Part struct {
	job    *Job
	number int // from 1
	buf    *[]byte
	share  int64
	crc    uint32
}

// String names the item.
func (p *Part) String() string { return p.job.Item.String() }

// Item is what the part's object is stored for.
func (p *Part) Item() Item { return p.job.Item }

// Parts reads the job's object to its end and emits it in parts. On an error nothing of it will be
// stored, and the item is dropped with the last part.
func (s *Sender) Parts(ctx context.Context, j *Job, emit func(*Part) error) error {
	size, err := s.Store.Limits().PartSize(j.Size, s.PartSize, s.Memory.Size())
	if err != nil {
		j.Item.Drop(err)
		return err
	}
	j.sender, j.partSize = s, size
	j.Options.PartSize = size
	count := int((j.Size + size - 1) / size)
	j.parts = make([]store.Part, count)
	j.begin = sync.OnceValues(func() (store.Upload, error) {
		// Cut off while the server answers, an upload would be begun whose id nobody knows to
		// abort.
		ctx, cancel := linger(ctx, createTimeout)
		defer cancel()
		upload, err := s.Store.CreateUpload(ctx, j.Key, j.Options)
		if err == nil {
			j.upload = upload
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

// fill makes part n of count, checking that the source ends where it should.
func (s *Sender) fill(ctx context.Context, j *Job, n, count int) (*Part, error) {
	share, err := s.Encrypt.Acquire(ctx, s.Memory, j.partSize)
	if err != nil {
		return nil, err
	}
	p := &Part{job: j, number: n, buf: s.buffer(j.partSize), share: share}
	want := min(j.partSize, j.Size-int64(n-1)*j.partSize)
	*p.buf = (*p.buf)[:want]
	if _, err = io.ReadFull(j.Source, *p.buf); err == nil && n == count {
		var more [1]byte
		if _, end := io.ReadFull(j.Source, more[:]); end == nil {
			err = errors.New("there is more than was announced")
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
	return p, nil
}

func (s *Sender) buffer(size int64) *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok && int64(cap(*b)) >= size {
		return b
	}
	b := make([]byte, size)
	return &b
}

func (p *Part) release() {
	s := p.job.sender
	s.buffers.Put(p.buf)
	s.Memory.Release(p.share)
}

// Drop gives the part up, and with it its object.
func (p *Part) Drop(reason error) {
	p.job.fail(reason)
	p.release()
	p.job.settle(context.Background(), 1)
}

// Send stores one part. The part that makes the object complete returns the job's item and the
// object; every other returns a nil item. Of the errors of one job's parts only the first is
// returned.
func (s *Sender) Send(ctx context.Context, p *Part) (Item, store.Object, error) {
	j := p.job
	var object store.Object
	var first error
	if j.failure() == nil {
		var err error
		if len(j.parts) == 1 {
			o := j.Options
			o.CRC32C = j.sum
			object, err = s.Store.Put(ctx, j.Key, *p.buf, o)
		} else {
			err = j.sendPart(ctx, p)
		}
		if err != nil {
			first = j.fail(err)
		} else {
			s.Upload.AddOut(int64(len(*p.buf)))
		}
	}
	p.release()
	if j.left.Add(-1) > 0 {
		return nil, store.Object{}, first
	}
	if j.failure() == nil && len(j.parts) > 1 {
		var err error
		if object, err = j.upload.Complete(ctx, j.parts, j.sum); err != nil {
			first = j.fail(err)
		}
	}
	if j.failure() != nil {
		j.giveUp(ctx)
		return nil, store.Object{}, first
	}
	return j.Item, object, nil
}

func (j *Job) sendPart(ctx context.Context, p *Part) error {
	upload, err := j.begin()
	if err != nil {
		return err
	}
	part, err := upload.Part(ctx, p.number, *p.buf, p.crc)
	if err != nil {
		j.cutOff.Store(true)
		return err
	}
	j.parts[p.number-1] = part
	return nil
}

// fail notes why the object will not be stored and returns err if it is the first reason, else nil.
func (j *Job) fail(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return nil
	}
	j.failed = err
	return err
}

func (j *Job) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// settle counts parts that will not be sent; the last ends a failed job.
func (j *Job) settle(ctx context.Context, parts int) {
	if parts > 0 && j.left.Add(int32(-parts)) == 0 {
		j.giveUp(ctx)
	}
}

// abort drops the upload. A part that was cut off may be stored after that, and brings the upload
// back (S3 API reference, AbortMultipartUpload), so it looks again, a little later each time.
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

// giveUp aborts what was begun, in a cancelled run too, and drops the item.
func (j *Job) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.AbortTimeout)
	defer cancel()
	if j.upload != nil {
		if err := j.abort(ctx); err != nil && j.sender.Warn != nil {
			j.sender.Warn(j.Key, fmt.Errorf("%w; the next run will abort it", err))
		}
	}
	j.Item.Drop(j.failure())
}
