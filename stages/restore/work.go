package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/hosts"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/stage/extract"
	"firn/stages/store"
)

// A worker does for a lead on some host what bring does, and answers. An archive is answered when all of
// it is below the target and on the disk, and the lead knows what is to be done to directories: whoever
// repeats the work finds it done, and says the same.
type worker struct {
	r      *restore
	member *hosts.Member
	over   func() bool // ends what waits for the end of the run

	hold   job.Hold[*item]
	mu     sync.Mutex
	faults map[*extract.Result]*entryFaults

	news []extract.Dir // what the lead is not told; settle's

	reading sync.Mutex // of runs
	reaches map[string]*ledger.Reach
}

// held is an archive that a worker holds.
type held struct {
	by     *worker
	newer  []string        // see task
	result *extract.Result // nil: nothing was extracted
}

// Work works for the coordinator of a restore, until its run is over. The options are those of the
// coordinator, but for the means, the target as this host sees it, and the workers, which are this
// host's own; Moment, ExpectRun and Thaw count for nothing. The keys are those of the run. What is told is
// of this host alone: the coordinator tells all. The error of the summary is hosts.Member.Outcome, or
// hosts.ErrOtherRun if another run has begun.
func Work(ctx context.Context, m *hosts.Member, o Options) (*job.Handle, error) {
	o.Keys, o.Hosts = m.Keys(), nil
	if err := prove.Enough(o.Means); err != nil {
		return nil, err
	}
	if err := extract.Marked(ctx, o.Target, m.Run()); err != nil {
		return nil, err
	}
	j, err := job.Open(o.Means, 0, 0)
	if err != nil {
		return nil, err
	}
	r := &restore{Job: j, options: o, shelf: j.Shelf()}
	w := &worker{r: r, member: m, faults: map[*extract.Result]*entryFaults{}, reaches: map[string]*ledger.Reach{}}
	r.worker = w
	r.Begin(ctx, w.fault)
	r.stages.take = r.Run.Stage(report.StageTake, 1)
	r.Works = report.NewWorks(report.StageFetch, report.StageExtract)
	r.beginBringing()
	r.extractor = extract.New(extract.Options{Target: o.Target, Overwrite: o.Overwrite, Owners: o.Owners, Run: m.Run(), Hands: true, Report: w.entry})
	h := r.Handle(nil, w.finish)
	w.over = h.Follow(m)
	r.bring(pipeline.Taken(r.stages.take, m, w.taken))
	return h, nil
}

// taken reads what is to be done.
func (w *worker) taken(lease pipeline.Lease) (*item, error) {
	work := lease.(*hosts.Work)
	var t task
	err := job.Unpack(work.Item().Body, &t)
	if err == nil && !t.Record.HasProof() && !w.r.options.Unproven {
		err = errors.New("nothing proves it")
	}
	if err != nil {
		return nil, errors.Join(err, work.Fail(w.r.Run.Context(), err))
	}
	a := &item{
		Archive: prove.Archive{Line: t.Line, Object: t.Object, Record: t.Record},
		of:      t.Of, halves: t.Halves, planned: t.Object.Size, held: &held{by: w, newer: t.Newer},
	}
	w.hold.Take(a, work)
	w.r.Works.Looked(a.planned, a.Line.TarSize, true)
	return a, nil
}

// Drop ends what this process does with an archive. What it did not begin, or can't end because it is
// to leave, is handed back.
func (a *item) Drop(reason error) {
	a.Archive.Drop(reason)
	if a.held != nil && a.held.by.hold.Dropped(a, reason) && a.Task == nil {
		a.held.by.r.Works.Leave(a.planned)
	}
}

// read has the prover bring an archive. One that was changed meanwhile, the lead looks at again.
func (w *worker) read(ctx context.Context, a *item) error {
	w.hold.Of(a).Follow(a.Task)
	for _, id := range a.held.newer {
		reach, err := w.reach(ctx, id)
		if err != nil {
			return fmt.Errorf("reading run %s, which has newer archives: %w", id, err)
		}
		a.newer = append(a.newer, reach)
	}
	a.held.newer = nil
	return w.r.prover.Bring(ctx, &a.Archive)
}

// reach is what a run shows. The run is read once.
func (w *worker) reach(ctx context.Context, id string) (*ledger.Reach, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	if reach := w.reaches[id]; reach != nil {
		return reach, nil
	}
	run, err := w.r.Ledger.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	w.reaches[id] = ledger.NewReach(run)
	return w.reaches[id], nil
}

// settle gives files their names once they are on the disk, tells the lead of directories, and answers.
func (w *worker) settle(ctx context.Context, batch []written) error {
	news, err := w.r.extractor.HandOver()
	if err != nil {
		return err
	}
	w.news = append(w.news, news...)
	if err := w.note(ctx, batch[0].item); err != nil {
		return err
	}
	var answers errgroup.Group
	answers.SetLimit(answersBeside)
	for _, b := range batch {
		if b.result == nil {
			continue
		}
		b.item.held.result = b.result
		answers.Go(func() error {
			if b.err != nil {
				w.r.stages.extract.Fault(b.item, b.err)
				return nil
			}
			w.r.tell(b)
			if err := w.answer(ctx, b.item, answer{Took: b.took}); err != nil {
				w.r.stages.settle.Fault(b.item, err)
			}
			return nil
		})
	}
	return answers.Wait()
}

const (
	// answersBeside is how many archives are answered side by side: each waits for the queue.
	answersBeside = 16
	// noteSize is how much one note says of directories, in bytes: a broker takes messages of 1 MiB.
	noteSize = 256 << 10
	// dirSize is what a directory takes beside its name and its ACLs.
	dirSize = 64
)

// note tells the lead of directories. a is held, and takes the notes with it.
func (w *worker) note(ctx context.Context, a *item) error {
	for len(w.news) > 0 {
		n, size := 0, 0
		for n < len(w.news) && size < noteSize {
			d := &w.news[n]
			size += dirSize + len(d.Path) + len(d.Access) + len(d.Default)
			n++
		}
		body, err := job.Pack(w.news[:n])
		if err != nil {
			return err
		}
		if err := w.hold.Of(a).Note(ctx, body); err != nil {
			return fmt.Errorf("telling the coordinator of directories: %w", err)
		}
		w.news = w.news[n:]
	}
	return nil
}

// answer answers for an archive.
func (w *worker) answer(ctx context.Context, a *item, said answer) error {
	if result := a.held.result; result != nil {
		said.Entries, said.Files, said.Bytes = result.Entries, result.Files, result.Bytes
		said.Faults, said.Unlisted = w.faultsOf(result)
	}
	return w.hold.Answer(ctx, a, said)
}

// fault answers for an archive that no host restores, and gives any other to another host.
func (w *worker) fault(f pipeline.Fault) {
	a, ok := f.Item.(*item)
	if !ok {
		return // it was never held
	}
	ctx := w.r.Run.Context()
	if !errors.Is(f.Err, store.ErrCold) && !errors.Is(f.Err, store.ErrChanged) { // else the lead looks again
		w.r.Report.Event(report.Event{Kind: report.Failed, Path: a.Line.Path, Key: a.Line.Key, Err: f.Err, Problem: prove.ProblemOf(f.Err)})
	}
	if isFinal(f.Err) {
		_ = w.answer(ctx, a, answer{Err: say(f.Err), Took: a.Task.Took()}) // if not, its lease ends
		return
	}
	if a.held.result != nil {
		w.faultsOf(a.held.result)
	}
	w.hold.GiveUp(ctx, a, f.Err)
}

// isFinal reports whether another host can do no better, or it is the lead's to do something.
func isFinal(err error) bool {
	return prove.ProblemOf(err) != "" || errors.Is(err, prove.ErrDamaged) || errors.Is(err, store.ErrCold) || errors.Is(err, store.ErrChanged) ||
		errors.As(err, new(*extract.LimitError)) || errors.As(err, new(*extract.TargetError))
}

// entryFaults are those of one archive.
type entryFaults struct {
	first []entryFault
	bytes int
	more  int64
}

// What is named of the faults of one archive: so much of them goes into an answer.
const (
	mostFaults = 1000
	faultsSize = 256 << 10 // bytes
)

// entry notes an entry that was not restored whole.
func (w *worker) entry(f extract.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.faults[f.In]
	if all == nil {
		all = &entryFaults{}
		w.faults[f.In] = all
	}
	one := entryFault{Path: f.Path, Err: *say(f.Err)}
	if all.bytes += len(one.Path) + len(one.Err.Text); len(all.first) == mostFaults || all.bytes > faultsSize {
		all.more++
		return
	}
	all.first = append(all.first, one)
}

// faultsOf takes the faults of an archive.
func (w *worker) faultsOf(result *extract.Result) (first []entryFault, more int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.faults[result]
	delete(w.faults, result)
	if all == nil {
		return nil, 0
	}
	return all.first, all.more
}

// finish hands back what has not ended. A fault of the target, which all hosts share, is the answer for
// the first of that.
func (w *worker) finish(end error, _ *report.Summary) error {
	w.over()
	if over := errors.Is(end, hosts.ErrOver) || errors.Is(end, hosts.ErrOtherRun); over && (w.hold.Late() || len(w.hold.All()) > 0) {
		w.r.extractor.Over()
	}
	if held := w.hold.All(); len(held) > 0 && errors.As(end, new(*extract.TargetError)) {
		_ = w.answer(context.WithoutCancel(w.r.Run.Context()), held[0], answer{Err: say(end)})
	}
	w.hold.HandBack()
	if err := w.r.extractor.Finish(); err != nil {
		end = errors.Join(end, fmt.Errorf("finishing files: %w", err))
	}
	w.r.shelf.Close()
	w.member.LeaveFor(end)
	return w.member.Outcome(end)
}
