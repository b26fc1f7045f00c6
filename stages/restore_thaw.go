package stages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/stage/thaw"
	"firn/stages/store"
)

// Thaw says what becomes of archives that must be thawed before they can be read. The zero value leaves them.
type Thaw struct {
	Tier    store.Tier    // in which they are asked for; "": nothing is asked for
	Days    int           // that what is thawed can be read
	Wait    bool          // go on until what thaws is restored
	MaxCost *float64      // dollars, by estimate, that may be asked for; nil: any
	Every   time.Duration // between two looks at what thaws; 0: as suits its class and tier
}

// thaws is what a restore has to tell of what is cold.
type thaws struct {
	need  thaw.Sums // of a survey, or a dry run: what would be asked for
	asked thaw.Sums
	left  thaw.Sums // cold, and not asked for

	unable                 atomic.Bool // the store can't thaw
	unableOnce, capacities sync.Once
	sumOnce                sync.Once
}

// surveyed tells whether the sum of all thaws, or the classes that are met, may forbid that anything is asked for.
func (t Thaw) surveyed() bool {
	return t.Tier == store.TierExpedited || t.Tier != "" && t.MaxCost != nil
}

// survey looks at all that is wanted before anything is asked for, if need be.
func (r *restore) survey(ctx context.Context, emit func(*archived) error) error {
	t := r.Thaw
	if !t.surveyed() {
		return nil
	}
	err := r.find(ctx, false, func(a *archived) error {
		a.cold.survey = true
		r.waits.take(a, true)
		return emit(a)
	})
	if err == nil {
		err = r.stages.find.Blocked(func() error {
			return r.waits.until(ctx, r.run.Stopping(), func() bool { return r.waits.looking == 0 })
		})
	}
	if err != nil {
		return err
	}
	need := r.thaws.need.Estimates(t.Tier, t.Days)
	if lacking := r.thaws.need.Lacking(t.Tier); len(lacking) > 0 {
		sum := thaw.Sum(lacking)
		return fmt.Errorf("there is no %s thaw for %d of the archives, which lie in %s: use --thaw standard or bulk, or leave them out with --path; nothing was asked for",
			tierName(t.Tier), sum.Objects, classes(lacking))
	}
	if sum := thaw.Sum(need); t.MaxCost != nil && sum.Dollars > *t.MaxCost {
		if !r.DryRun { // which tells it at its end
			r.tell(report.Estimate, need)
		}
		return fmt.Errorf("--thaw %s of %d archives for %d days costs about $%.2f, more than --max-cost %g: nothing was asked for, and nothing restored; use a slower tier, fewer days or a narrower --path, or raise --max-cost",
			tierName(t.Tier), sum.Objects, t.Days, max(sum.Dollars, 0.01), *t.MaxCost)
	}
	if !r.DryRun {
		r.thaws.need = thaw.Sums{}
	}
	return nil
}

func tierName(t store.Tier) string { return strings.ToLower(string(t)) }

func classes(all []thaw.Estimate) string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Class
	}
	return strings.Join(names, " and ")
}

// warm says what to do about an archive of which the store has told, and asks for its thaw if need be.
func (r *restore) warm(ctx context.Context, a *archived, o store.Object) (thaw.Step, error) {
	a.cold.class = thaw.Class(o)
	state := thaw.Of(o)
	step := thaw.Next(state, r.Thaw.Tier, a.cold.waited)
	switch {
	case step == thaw.Read:
		if a.cold.waited {
			r.tellOf(report.Thawed, a, "")
		}
		return step, nil
	case r.thaws.unable.Load():
		a.cold.despite = true
		return thaw.Read, nil
	case a.cold.survey:
		if step == thaw.Ask {
			r.thaws.need.Add(a.cold.class, a.size)
		}
		return thaw.Leave, nil
	case r.DryRun:
		return thaw.Leave, r.wouldThaw(a, step)
	case step == thaw.Ask:
		return r.askThaw(ctx, a, state)
	case step == thaw.Wait:
		r.thawing(a)
		return step, nil
	}
	r.leave(a, "")
	return step, nil
}

// wouldThaw tells, in a dry run, of an archive that is cold.
func (r *restore) wouldThaw(a *archived, step thaw.Step) error {
	switch {
	case step == thaw.Wait:
		r.tellOf(report.Thawing, a, "")
	case step == thaw.Leave:
		r.leave(a, "")
	default:
		r.tellOf(report.Cold, a, "its thaw would be asked for")
		if !r.Thaw.surveyed() {
			r.thaws.need.Add(a.cold.class, a.size)
		}
	}
	return nil
}

// askThaw asks for the thaw of an archive that is cold, or thaws in a tier that may be slower.
func (r *restore) askThaw(ctx context.Context, a *archived, state thaw.State) (thaw.Step, error) {
	t := r.Thaw
	price := thaw.Cost(a.cold.class, t.Tier, a.size, t.Days)
	if !r.waits.spend(price, t.MaxCost) {
		if state == thaw.Ongoing {
			r.thawing(a)
			return thaw.Wait, nil
		}
		r.leave(a, "its thaw would cost more than --max-cost allows")
		return thaw.Leave, nil
	}
	result, err := r.Store.Thaw(ctx, a.key, a.version, t.Tier, thaw.Days(a.cold.class, t.Days))
	if err != nil || result != store.ThawRequested {
		r.waits.spend(-price, nil)
	}
	if err != nil {
		return r.refused(a, state, err)
	}
	state = thaw.After(result)
	step := thaw.Next(state, t.Tier, true)
	switch {
	case step == thaw.Read:
		a.cold.despite = result == store.ThawNotCold
	case state == thaw.Requested:
		r.thaws.asked.Add(a.cold.class, a.size)
		r.tellOf(report.ThawAsked, a, "")
		r.waits.asked(thaw.PaceOf(a.cold.class, t.Tier))
	default:
		r.thawing(a)
	}
	return step, nil
}

// refused says what to do about an archive whose thaw was asked for in vain.
func (r *restore) refused(a *archived, state thaw.State, err error) (thaw.Step, error) {
	if errors.Is(err, store.ErrNoThaw) {
		r.thaws.unable.Store(true)
		r.thaws.unableOnce.Do(func() {
			r.Report.Event(report.Event{Kind: report.Warning, Text: "this store calls objects cold and can't thaw them: firn tries to read them as they are", Err: err})
		})
		a.cold.despite = true
		return thaw.Read, nil
	}
	now, fault := thaw.Refused(state, err)
	if fault != nil {
		return thaw.Leave, fmt.Errorf("asking for the thaw of %s: %w", a.key, fault)
	}
	if errors.Is(err, store.ErrThawCapacity) {
		r.thaws.capacities.Do(func() {
			again := "the same command asks again"
			if r.Thaw.Wait {
				again = "firn asks again at each look"
			}
			r.Report.Event(report.Event{Kind: report.Warning, Text: "S3 has no capacity for thaws in this tier now; " + again + ", or choose a slower --thaw", Err: err})
		})
	}
	if now == thaw.Cold && !r.Thaw.Wait {
		r.leave(a, "there is no capacity for its thaw now")
		return thaw.Leave, nil
	}
	if now == thaw.Cold {
		r.waits.ongoing(thaw.PaceOf("", ""))
		return thaw.Wait, nil
	}
	r.thawing(a)
	return thaw.Wait, nil
}

// unseen says what to do about an archive that could not be looked at: one that is waited for may be seen at the next look.
func (r *restore) unseen(ctx context.Context, a *archived, err error) (thaw.Step, error) {
	if !a.cold.waited || errors.Is(err, store.ErrNotFound) || ctx.Err() != nil || a.cold.misses+1 >= maxMisses {
		return thaw.Leave, err
	}
	a.cold.misses++
	r.waits.miss(err, thaw.PaceOf("", ""))
	return thaw.Wait, nil
}

// coldAgain says what becomes of an archive that could not be fetched, perhaps because its thawed copy has expired since it was looked at.
func (r *restore) coldAgain(a *archived, err error) error {
	switch {
	case !errors.Is(err, store.ErrCold) || pipeline.IsFatal(err):
		return err
	case a.cold.despite:
		return fmt.Errorf("%w; and the store has refused to thaw it", err)
	case !r.Thaw.Wait:
		r.leave(a, "it was readable, and is not any more")
	}
	r.waits.refrozen(a)
	return nil
}

// thawing notes an archive whose thaw was asked for before this run, or before this look.
func (r *restore) thawing(a *archived) {
	tier := r.Thaw.Tier
	if !a.cold.waited && tier == store.TierBulk {
		tier = "" // somebody may have asked for a faster one
	}
	r.waits.ongoing(thaw.PaceOf(a.cold.class, tier))
	if !a.cold.waited {
		r.tellOf(report.Thawing, a, "")
	}
}

// leave names an archive that is cold, and is not waited for.
func (r *restore) leave(a *archived, why string) {
	r.thaws.left.Add(a.cold.class, a.size)
	r.tellOf(report.Cold, a, why)
}

func (r *restore) tellOf(kind report.Kind, a *archived, text string) {
	e := report.Event{Kind: kind, Path: a.path, Key: a.key, Stored: a.size, Class: a.cold.class, Text: text}
	if kind == report.ThawAsked {
		e.Tier = string(r.Thaw.Tier)
	}
	r.Report.Event(e)
}

// tellAsked says, once, what was asked for in all.
func (r *restore) tellAsked() {
	r.thaws.sumOnce.Do(func() { r.tell(report.AskedSum, r.thaws.asked.Estimates(r.Thaw.Tier, r.Thaw.Days)) })
}

// tellCold says at the end what it would take to thaw what was left.
func (r *restore) tellCold() {
	r.tellAsked()
	r.tell(report.Estimate, r.thaws.left.Estimates("", r.Thaw.Days))
	if r.DryRun {
		r.tell(report.Estimate, r.thaws.need.Estimates(r.Thaw.Tier, r.Thaw.Days))
	}
}

func (r *restore) tell(kind report.Kind, all []thaw.Estimate) {
	for _, e := range all {
		r.Report.Event(report.Event{Kind: kind, Class: e.Class, Tier: string(e.Tier), Estimate: &e})
	}
}
