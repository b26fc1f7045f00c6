package hosts

import (
	"context"
	"errors"
	"time"

	"firn/stages/service/report"
)

// announced takes what is announced. It must not wait.
func (m *Member) announced(message []byte) {
	var said runSaid
	_, _, err := m.seal.open(kindSaid, message, &said)
	signal := m.said
	switch {
	case errors.Is(err, errOtherRun):
		signal = m.doubted
	case err != nil:
		m.forged.Add(1)
		return
	case said.Number <= m.heard: // somebody sends it again
		return
	case said.Over:
		m.end(said.end())
		return
	default:
		m.heard = said.Number
		m.left.Store(said.Left)
	}
	select {
	case signal <- struct{}{}:
	default:
	}
}

// end is how the run ended, nil if it goes on.
func (s runSaid) end() error {
	switch {
	case !s.Over:
		return nil
	case s.Why != "":
		return &EarlyError{s.Why}
	}
	return ErrOver
}

// An EarlyError is ErrOver of a run that did not reach its end.
type EarlyError struct{ Why string }

func (e *EarlyError) Error() string { return "the coordinator says: " + e.Why }

// Unwrap returns ErrOver.
func (e *EarlyError) Unwrap() error { return ErrOver }

// attend waits for what ends the run for this worker: another run, or a coordinator that is lost.
func (m *Member) attend() {
	lost := time.NewTimer(m.waits())
	defer lost.Stop()
	for {
		select {
		case <-m.said:
			lost.Reset(m.waits())
		case <-m.doubted:
			if _, _, err := m.alive(m.ctx, aliveSaid{}); errors.Is(err, ErrOtherRun) {
				m.end(err)
			}
		case <-lost.C:
			if _, _, err := m.alive(m.ctx, aliveSaid{}); err != nil {
				m.end(err)
			}
			lost.Reset(m.waits())
		case <-m.ctx.Done():
			return
		}
	}
}

// waits is how long a coordinator may be silent.
func (m *Member) waits() time.Duration { return max(m.o.Wait, silence) }

// alive asks whether the run goes on. A message of another run only makes one doubt, as anybody may
// have sent it: ErrOtherRun is returned if the reply proves it. Else ErrNobody, or ctx's cause. It says
// of a slot, if there is one, whether its item is over or another worker's, and what the coordinator says of it.
func (m *Member) alive(ctx context.Context, asked aliveSaid) (_ yesSaid, more []byte, err error) {
	for range enoughTries {
		brief, cancel := context.WithTimeoutCause(ctx, handsBack, ErrNobody)
		var yes yesSaid // of this try: nothing of a reply that proves nothing stays
		more, err := m.seal.ask(brief, m.o.Link, kindAlive, asked, kindYes, &yes)
		cancel()
		if err == nil || errors.Is(err, ErrOtherRun) {
			return yes, more, err
		}
		select {
		case <-time.After(announced / 2):
		case <-ctx.Done():
			return yesSaid{}, nil, context.Cause(ctx)
		}
	}
	return yesSaid{}, nil, ErrNobody
}

// again reports whether the work in a slot was ended here: it is wanted again if the queue lost how it
// ended, and else somebody keeps what he saw there.
func (m *Member) again(slot string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended.of(slot)
}

// present tells every few seconds how the worker gets on.
func (m *Member) present() {
	every := time.NewTicker(announced)
	defer every.Stop()
	for {
		m.tell(toldSaid{State: m.presence()})
		select {
		case <-every.C:
		case <-m.ctx.Done():
			return
		}
	}
}

// tell tells the coordinator something that may be lost.
func (m *Member) tell(said toldSaid) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.number++
	said.Member, said.Host, said.Number = m.id, m.o.Hello.Host, m.number
	if message, err := m.seal.seal(kindTold, "", said, nil); err == nil {
		_ = m.o.Link.Tell(message)
	}
}

// Works that rest.
const (
	mostRoomOf = 1000 // of them make room for others
	mostNamed  = 200  // of them are in a presence
)

// rest notes that one more work rests, and tells the coordinator each time that there is room for so many
// more that it matters.
func (m *Member) rest() {
	m.mu.Lock()
	m.resting++
	more := m.resting%max(m.o.Room/2, 1) == 0
	m.mu.Unlock()
	m.less()
	if more {
		m.tell(toldSaid{State: m.presence()})
	}
}

// less tells who waits for room to look.
func (m *Member) less() {
	select {
	case m.fewer <- struct{}{}:
	default:
	}
}

// presence is how the worker gets on now.
func (m *Member) presence() *presence {
	m.mu.Lock()
	works, named := make([]*Work, 0, len(m.works)), 0
	for w := range m.works {
		if w.rests.Load() {
			if named++; named > mostNamed {
				continue
			}
		}
		works = append(works, w)
	}
	progress := m.progress
	totals := m.totals
	p := &presence{Room: m.o.Room + min(m.resting, mostRoomOf), Forged: m.forged.Load(), Need: -1}
	m.mu.Unlock()
	for _, w := range works[:min(len(works), maxHeld)] {
		p.Held = append(p.Held, held{w.slot, w.round, w.try, w.task.Load().Moved()})
	}
	if progress == nil {
		return p
	}
	p.Ready = true
	is := progress()
	p.Stages, p.Sent, p.Received = is.Stages, is.Sent, is.Received
	p.Memory, p.MemoryOf, p.Spool, p.SpoolOf = is.MemoryUsed, is.MemoryLimit, is.SpoolUsed, is.SpoolLimit
	m.seeing.Lock()
	defer m.seeing.Unlock()
	p.Need, p.Limit = m.seer.Need(is, totals, time.Now())
	return p
}

// lasts reports whether an outage lasts that is known.
func (m *Member) lasts() bool {
	m.mu.Lock()
	lasts := m.outage
	m.mu.Unlock()
	return lasts != nil && lasts()
}

// looks is how often in a term a worker looks whether there is progress, and renewals how often it renews
// a lease at most.
const (
	looks    = 12
	renewals = 3
)

// keep renews the lease of a work as long as there is progress, until it is ended.
func (w *Work) keep() {
	term := w.term
	every := time.NewTicker(term / looks)
	defer every.Stop()
	var seen signs
	for renewed, alive := time.Now(), false; ; {
		select {
		case <-every.C:
		case <-w.ended:
			return
		case <-w.m.ctx.Done():
			return
		}
		alive = w.lives(&seen) || alive
		if alive && time.Since(renewed) >= term/renewals && !w.Late() && w.renew(term) {
			renewed, alive = time.Now(), false
		}
	}
}

// signs are signs of life that were seen: of a work, and of all of its worker.
type signs struct {
	task      *report.Task
	mine, all int64
}

// lives reports whether there is progress since it was asked last: of the work, or of another one while
// it waits.
func (w *Work) lives(seen *signs) bool {
	task := w.task.Load()
	mine, waits := task.Signs()
	moved := task != seen.task || mine != seen.mine
	if moved {
		w.m.moved.Add(1)
	}
	all := w.m.moved.Load()
	lives := moved || waits && all != seen.all || w.m.lasts()
	*seen = signs{task, mine, all}
	return lives
}

// renew begins the term of the lease anew. If the queue is not reached, the next try is as good.
func (w *Work) renew(term time.Duration) bool {
	ctx, cancel := context.WithTimeout(w.m.ctx, term/renewals)
	defer cancel()
	begun := time.Now()
	if w.lease.Renew(ctx) != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = begun.Add(term)
	return true
}
