package verify

import (
	"context"
	"errors"

	"firn/pipeline"
	"firn/stages/job"
	"firn/stages/prove"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
	"firn/stages/store"
)

// A worker reads archives for a lead on some host, and answers.
type worker struct {
	v      *verify
	member *hosts.Member
	over   func() bool // ends what waits for the end of the run
	hold   job.Hold[*item]
}

// held is an archive that a worker holds.
type held struct {
	by          *worker
	notCompared string // see answer
}

// Work works for the coordinator of a verification, until its run is over. The options are those of the
// coordinator, but for the means and the workers, which are this host's own; the keys are those of the
// run. What is told is of this host alone: the coordinator tells all. The error of the summary is
// hosts.Member.Outcome, or hosts.ErrOtherRun if another run has begun.
func Work(ctx context.Context, m *hosts.Member, o Options) (*job.Handle, error) {
	o.Keys, o.Hosts, o.State = m.Keys(), nil, nil
	if err := prove.Enough(o.Means); err != nil {
		return nil, err
	}
	j, err := job.Open(o.Means, 0, 0)
	if err != nil {
		return nil, err
	}
	v := &verify{Job: j, options: o, shelf: j.Shelf()}
	w := &worker{v: v, member: m}
	v.worker = w
	v.Begin(ctx, w.fault)
	v.stages.take = v.Run.Stage(report.StageTake, 1)
	v.Works = report.NewWorks(report.StageFetch, report.StageWalk)
	v.beginReading()
	h := v.Handle(nil, w.finish)
	w.over = h.Follow(m)
	v.read(pipeline.Taken(v.stages.take, m, w.taken))
	return h, nil
}

// taken reads what is to be done.
func (w *worker) taken(lease pipeline.Lease) (*item, error) {
	work := lease.(*hosts.Work)
	var t task
	if err := job.Unpack(work.Item().Body, &t); err != nil {
		return nil, errors.Join(err, work.Fail(w.v.Run.Context(), err))
	}
	a := &item{
		Archive: prove.Archive{Line: t.Line, Object: t.Object, Record: t.Record, Pathless: t.Pathless},
		size:    t.Object.Size, held: &held{by: w},
	}
	w.hold.Take(a, work)
	w.v.Works.Looked(a.size, a.Line.TarSize, true)
	return a, nil
}

// Drop ends what this process does with an archive. What it did not begin is handed back.
func (a *item) Drop(reason error) {
	a.Archive.Drop(reason)
	if a.held != nil && a.held.by.hold.Dropped(a, reason) && a.Task == nil {
		a.held.by.v.Works.Leave(a.size)
	}
}

// fetch has the prover bring an archive. One that was changed meanwhile, or is cold, is the lead's.
func (w *worker) fetch(ctx context.Context, a *item, bring func(context.Context) error, emit func(*item) error) error {
	w.hold.Of(a).Follow(a.Task)
	if err := bring(ctx); err != nil {
		a.Drop(err)
		return err
	}
	a.Task.Doing(report.StageSpool)
	return emit(a)
}

// answer answers for an archive.
func (w *worker) answer(ctx context.Context, a *item, err error) error {
	said := answer{NotCompared: a.held.notCompared, Path: a.Line.Path, Pathless: a.Pathless, Took: a.Task.Took()}
	if err != nil {
		s := prove.Say(err, known)
		said.Err = &s
	}
	return w.hold.Answer(ctx, a, said)
}

// fault answers for an archive of which no host finds anything else, and gives any other to another host.
func (w *worker) fault(f pipeline.Fault) {
	a, ok := f.Item.(*item)
	if !ok {
		return // it was never held
	}
	ctx := w.v.Run.Context()
	switch looksAgain := errors.Is(f.Err, store.ErrCold) || errors.Is(f.Err, store.ErrChanged); {
	case looksAgain: // the lead
	case prove.ProblemOf(f.Err) != "":
		w.v.settle(a, report.Damaged, f.Err)
	default:
		w.v.settle(a, report.Failed, f.Err)
		w.hold.GiveUp(ctx, a, f.Err)
		return
	}
	_ = w.answer(ctx, a, f.Err) // if not, its lease ends
}

// finish hands back what has not ended.
func (w *worker) finish(end error, _ *report.Summary) error {
	w.over()
	w.hold.HandBack()
	w.v.shelf.Close()
	w.member.LeaveFor(end)
	return w.member.Outcome(end)
}
