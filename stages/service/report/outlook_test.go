package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"firn/pipeline"
)

// A world is a run that is only counted: so many bytes a second are scanned, read, compressed and sent.
type world struct {
	t        *testing.T
	works    int
	size     func(i int) int64
	skips    func(i int) bool // unchanged
	ratio    float64          // bytes to send for one that is read
	scan     float64          // works a second
	read     float64          // bytes a second
	compress float64
	send     float64
	side     int     // works that are read side by side
	spool    float64 // bytes
	outage   [2]float64
	thaw     [2]float64 // in which nothing is done
	cold     int        // works from here on wait for it
	last     *Past
	restore  bool

	totals     Totals
	all        *Works
	stages     map[string]*pipeline.Counters
	now        float64
	next       int // to be scanned
	queue      []*thing
	making     []*thing
	made       []*thing
	unfinished int
	idleSince  float64
}

// A thing is a work in a world.
type thing struct {
	*Task
	name   string
	source int64
	left   [2]float64 // of the halves
}

func (t *thing) String() string { return t.name }

const unbounded = 1e15 // bytes

const tick = 0.25 // seconds

func (w *world) start() {
	w.stages = map[string]*pipeline.Counters{}
	w.all = NewWorks(StageArchive, StageUpload)
	if w.restore {
		w.all = NewWorks(StageFetch, StageExtract)
	}
	w.unfinished = w.works
}

func (w *world) stage(name string) *pipeline.Counters {
	if w.stages[name] == nil {
		w.stages[name] = &pipeline.Counters{Stage: name, Workers: w.side}
	}
	return w.stages[name]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (w *world) at(s float64) time.Time { return time.Unix(1e9, 0).Add(seconds(s)) }

func (w *world) during(span [2]float64) bool { return w.now >= span[0] && w.now < span[1] }

// step passes a tick.
func (w *world) step() {
	w.now += tick
	w.find()
	idle := w.during(w.thaw) && len(w.making)+len(w.made) == 0
	if idle && w.idleSince == 0 {
		w.idleSince = w.now
	}
	if !idle {
		w.make()
		w.sending()
	}
	if w.outage[1] > 0 && w.now >= w.outage[0] {
		out := Outage{Service: "S3", Since: w.at(w.outage[0]), For: seconds(min(w.now, w.outage[1]) - w.outage[0])}
		if w.during(w.outage) {
			out.Next = w.at(w.now + 1)
		}
		w.totals.Outages.Note(out)
	}
}

func (w *world) find() {
	walk := w.stage(StageWalk)
	for ; w.next < w.works && float64(w.next) < w.now*w.scan; w.next++ {
		size := w.size(w.next)
		skip := w.skips != nil && w.skips(w.next)
		w.totals.Subtrees.Add(1)
		w.totals.Scanned.Add(1)
		w.totals.Entries.Add(1)
		w.totals.Bytes.Add(size)
		second := int64(0)
		if w.restore {
			second = int64(float64(size) * w.ratio)
		}
		w.all.Looked(size, second, !skip)
		if skip {
			w.totals.UnreadBytes.Add(size)
			w.end()
			continue
		}
		w.queue = append(w.queue, &thing{name: strconv.Itoa(w.next), source: size, left: [2]float64{float64(size), float64(size) * w.ratio}})
	}
	if w.next < w.works {
		walk.Active += seconds(tick)
		walk.Busy += seconds(tick)
	}
	w.totals.Cut.Store(w.next == w.works)
}

func (w *world) end() {
	w.unfinished--
	w.totals.DoneSubtrees.Add(1)
}

// make passes a tick in the first half: what is read is compressed, as fast as both allow.
func (w *world) make() {
	used := 0.0
	if w.spool < unbounded {
		for _, t := range append(w.making, w.made...) {
			used += t.left[1]
		}
	}
	compress := w.stage(StageCompress)
	first, second := w.all.first, int64(0)
	if w.restore {
		compress = &pipeline.Counters{}
	}
	compress.Offered += seconds(tick * float64(w.side))
	ready := func() bool {
		return len(w.queue) > 0 && (w.thaw[1] == 0 || w.now >= w.thaw[1] || len(w.queue) > w.works-w.cold)
	}
	for len(w.making) < w.side && ready() {
		t := w.queue[0]
		if used += t.left[1]; used > w.spool && used > t.left[1] {
			break
		}
		w.queue = w.queue[1:]
		if w.restore {
			second = int64(t.left[1])
		}
		t.Task = w.all.Begin(t, first, t.source, t.source, second)
		w.making = append(w.making, t)
	}
	if len(w.making) == 0 || w.restore && w.during(w.outage) {
		return
	}
	rate := min(w.read, w.compress)
	bytes := rate * tick / float64(len(w.making))
	w.stage(first).Active += seconds(tick * rate / w.read)
	compress.Busy += seconds(tick * float64(w.side) * rate / w.compress)
	var going []*thing
	for _, t := range w.making {
		n := min(bytes, t.left[0])
		t.left[0] -= n
		t.First(int64(n))
		compress.BytesIn += int64(n)
		compress.BytesOut += int64(n * w.ratio)
		if t.left[0] > 0 {
			going = append(going, t)
			continue
		}
		t.FirstDone(int64(t.left[1]))
		w.made = append(w.made, t)
	}
	w.making = going
}

// sending passes a tick in the second half.
func (w *world) sending() {
	if len(w.made) == 0 {
		return
	}
	w.stage(w.all.second).Active += seconds(tick)
	if w.during(w.outage) && !w.restore {
		return
	}
	for n := w.send * tick; n > 0 && len(w.made) > 0; {
		t := w.made[0]
		some := min(n, t.left[1])
		t.left[1] -= some
		n -= some
		t.Second(int64(some))
		if t.left[1] <= 0 {
			t.End()
			w.made = w.made[1:]
			w.end()
		}
	}
}

func (w *world) progress() Progress {
	p := Progress{Elapsed: seconds(w.now), Load: w.all.Load(), Now: w.all.Now(), Last: w.last}
	if w.thaw[1] > 0 && w.now >= w.thaw[0] && w.now < w.thaw[1] {
		p.Waits = &Waits{}
	}
	for _, name := range []string{StageWalk, StageArchive, StageCompress, StageUpload, StageFetch, StageExtract} {
		if c := w.stages[name]; c != nil {
			c.InFlight = 0
			if name == w.all.first && len(w.making) > 0 || name == w.all.second && len(w.made) > 0 {
				c.InFlight = 1
			}
			p.Stages = append(p.Stages, *c)
		}
	}
	return p
}

// A told is what an Observer said at a time.
type told struct {
	at float64
	Outlook
}

// run runs the world to its end, with a look every so many seconds.
func (w *world) run(every float64) (all []told) {
	w.start()
	var o Observer
	for look := every; w.unfinished > 0; {
		w.step()
		if w.now >= look {
			all = append(all, told{w.now, o.Look(w.progress(), &w.totals, w.at(w.now))})
			look += every
		}
		if w.now > 1e5 {
			w.t.Fatal("it does not end")
		}
	}
	return all
}

const mib = 1 << 20

func even(int) int64 { return 100 * mib }

// mixed are sizes from 1 MiB to 2 GiB, in no order.
func mixed(i int) int64 {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	return int64(mib * math.Pow(2, 11*r.Float64()))
}

// TestLeft: at each quarter of a run, what is said to be left is what was left, within a fifth.
func TestLeft(t *testing.T) {
	base := func() *world {
		return &world{works: 400, size: mixed, ratio: 0.4, scan: 1000, read: 200 * mib, compress: 100 * mib, send: 100 * mib, side: 4, spool: unbounded}
	}
	for _, tt := range []struct {
		name  string
		set   func(*world)
		limit string
		from  float64 // share of the time from which on it can be told
	}{
		{"limited by upload", func(w *world) { w.send = 10 * mib }, StageUpload, 0},
		{"limited by upload, small spool", func(w *world) { w.send, w.spool = 10*mib, 3000*mib }, StageUpload, 0},
		{"limited by read", func(w *world) { w.read = 20 * mib }, StageRead, 0},
		{"limited by compress", func(w *world) { w.compress = 13 * mib }, StageCompress, 0},
		{"few large works", func(w *world) {
			w.works, w.size, w.send = 12, func(int) int64 { return 3000 * mib }, 40*mib
		}, "", 0},
		{"one work", func(w *world) { w.works, w.size, w.send = 1, func(int) int64 { return 30000 * mib }, 60*mib }, "", 0.7},
		{"first half and second in turn", func(w *world) { w.send, w.spool, w.side, w.size = 40*mib, 1, 1, even }, "", 0},
		{"most is skipped", func(w *world) {
			w.works, w.scan, w.skips = 20000, 1e5, func(i int) bool { return i%50 != 0 }
			w.send = 20 * mib
		}, StageUpload, 0},
		{"still scanning, for the first time", func(w *world) { w.works, w.scan, w.size = 4000, 10, func(int) int64 { return mib } }, "", 1},
		{"still scanning, as last time", func(w *world) {
			w.works, w.scan, w.size, w.skips = 40000, 100, even, func(i int) bool { return i%200 != 0 }
			w.last = &Past{Entries: 40000, Bytes: 40000 * 100 * mib, Read: 200 * 100 * mib, Duration: 1}
		}, StageWalk, 0},
		{"nightly after a first run", func(w *world) {
			w.works, w.scan, w.size, w.skips = 40000, 100, even, func(i int) bool { return i%200 != 0 }
			w.last = &Past{Entries: 39000, Bytes: 39000 * 100 * mib, Read: 39000 * 100 * mib, Duration: 1}
		}, StageWalk, 0},
		{"an outage in the middle", func(w *world) { w.send, w.outage = 10*mib, [2]float64{500, 1100} }, StageUpload, 0},
		{"a restore", func(w *world) { w.restore, w.read, w.compress, w.ratio, w.send = true, 30*mib, 1e12, 2.5, 300*mib }, StageFetch, 0},
		{"a restore, limited by extract", func(w *world) { w.restore, w.read, w.compress, w.ratio, w.send = true, 300*mib, 1e12, 2.5, 40*mib }, StageExtract, 0},
		{"a restore that waits for a thaw", func(w *world) {
			w.restore, w.read, w.compress, w.ratio, w.send = true, 30*mib, 1e12, 2.5, 300*mib
			w.thaw, w.cold = [2]float64{300, 20000}, 300
		}, StageFetch, 0},
	} {
		for _, every := range []float64{1, 5} {
			t.Run(fmt.Sprintf("%s/%g", tt.name, every), func(t *testing.T) {
				w := base()
				w.t = t
				tt.set(w)
				all := w.run(every)
				work := func(at float64) float64 {
					return at - max(0, min(at, w.thaw[1])-w.idleFrom()) - max(0, min(at, w.outage[1])-w.outage[0])
				}
				end := work(w.now)
				shares := map[string]float64{}
				for quarter := 1; len(all) > 0 && quarter <= 3; all = all[1:] {
					o := all[0]
					for _, f := range o.Flows {
						if before, is := shares[f.Stage]; is && f.Share < before {
							t.Fatalf("at %.0f s, %s falls from %f to %f", o.at, f.Stage, shares[f.Stage], f.Share)
						}
						shares[f.Stage] = f.Share
					}
					if work(o.at) < end*float64(quarter)/4 {
						continue
					}
					quarter++
					left, is := o.Left.Seconds(), end-work(o.at)
					t.Logf("%.0f of %.0f s: %.0f s left, said %.0f, limit %s; %+v", work(o.at), end, is, left, o.Limit, o.Flows)
					switch {
					case work(o.at)/end < tt.from:
						if o.Left != -1 {
							t.Errorf("it is said that %.0f s are left", left)
						}
					case math.Abs(left-is) > is/5:
						t.Errorf("%.0f s are left, said %.0f", is, left)
					case tt.limit != "" && o.Limit != tt.limit:
						t.Errorf("the limit is %s, not %s", o.Limit, tt.limit)
					}
				}
			})
		}
	}
}

// idleFrom is when a world has nothing to do but to wait for a thaw.
func (w *world) idleFrom() float64 {
	if w.thaw[1] == 0 {
		return 0
	}
	return w.idleSince
}
