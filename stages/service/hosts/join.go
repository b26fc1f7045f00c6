package hosts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"firn/stages/format/encryption"
)

// JoinOptions are those of a worker.
type JoinOptions struct {
	Link  Link
	Keys  *encryption.Keys
	Hello Hello         // Time zero: now
	Room  int           // items that it can have in hand; fewer than one means one
	Wait  time.Duration // how long it waits for a coordinator that does not answer; 0: it does not
}

// A RefusedError is a coordinator's answer to a worker that does not fit, with what differs. It is
// encryption.ErrOtherKey if that is the key file.
type RefusedError struct {
	Why string
	err error
}

// Error is why.
func (e *RefusedError) Error() string { return e.Why }

func (e *RefusedError) Unwrap() error { return e.err }

// Join asks the coordinator for work, and waits for one to answer. The Member is done with ctx. The
// error is a *RefusedError, which says why the worker must not work, ErrNobody, ErrOver if a run that it
// heard of ended meanwhile, or ctx's cause.
func Join(ctx context.Context, o JoinOptions) (*Member, error) {
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	heard := "" // run that goes on
	_ = o.Link.Announced(func(message []byte) {
		switch run, said := o.announced(message); {
		case run == "":
		case !said.Over:
			heard = run
		case run == heard: // it is over before this worker has joined it
			stop(said.end())
		}
	})
	soon := announced / 32 // a coordinator that starts now leads in a moment
	for start, tries := time.Now(), 1; ; tries++ {
		again := soon
		soon = min(2*soon, announced)
		// A link that has no connection waits for one.
		asking, cancel := context.WithTimeoutCause(waiting, max(o.Wait-time.Since(start), handsBack), ErrNobody)
		m, err := join(asking, o)
		cancel()
		var doubtful *doubtfulError
		switch {
		case err == nil:
			m.start(ctx)
			return m, nil
		case waiting.Err() != nil:
			return nil, context.Cause(waiting)
		case errors.As(err, &doubtful):
			if tries >= enoughTries {
				return nil, doubtful.error
			}
			again = announced / 4 // a true one may answer first then
		case !passes(err):
			return nil, err
		case time.Since(start) >= o.Wait:
			if !errors.Is(err, ErrNobody) {
				err = fmt.Errorf("%w: %w", ErrNobody, err)
			}
			return nil, err
		}
		select {
		case <-time.After(again):
		case <-waiting.Done():
			return nil, context.Cause(waiting)
		}
	}
}

// announced opens what the coordinator of a run of this key file announces; run is "" if it is something
// else.
func (o *JoinOptions) announced(message []byte) (run string, said runSaid) {
	h, _, _, err := readHeader(message)
	if err != nil || h.Kind != kindSaid { // before a key is made for it
		return "", said
	}
	seal, err := (&sealer{keys: o.Keys, firn: o.Hello.Firn}).other(h)
	if err != nil {
		return "", said
	}
	if _, _, err := seal.open(kindSaid, message, &said); err != nil {
		return "", runSaid{}
	}
	return h.Run, said
}

// A doubtfulError is one that nothing proves: somebody else may have replied, who has no say.
type doubtfulError struct{ error }

func (e *doubtfulError) Unwrap() error { return e.error }

// passes reports whether another try to join may do better: nobody replied yet, or one who has no say,
// or a coordinator that another one followed in between.
func passes(err error) bool {
	return errors.Is(err, ErrNobody) || errors.Is(err, errForged) || errors.Is(err, errOtherRun) || errors.Is(err, ErrOtherRun)
}

// enoughTries is how often a coordinator is asked whose reply proves nothing.
const enoughTries = 3

// join asks once.
func join(ctx context.Context, o JoinOptions) (*Member, error) {
	seal, keys, err := seek(ctx, o.Link, o.Keys, o.Hello.Firn)
	if other, is := errors.AsType[*encryption.OtherKeyError](err); is {
		tellOther(ctx, o, other.Own)
		why := fmt.Sprintf("the coordinator has another key file: its key id is %s, and that of this worker is %s", other.KeyID, other.Own)
		return nil, &doubtfulError{&RefusedError{why, other}}
	} else if err != nil {
		return nil, err
	}
	m := &Member{
		o: o, id: word(), seal: seal, keys: keys, works: map[*Work]struct{}{}, last: map[string]*Work{},
		doubted: make(chan struct{}, 1), fewer: make(chan struct{}, 1), said: make(chan struct{}, 1),
	}
	m.o.Room = min(max(o.Room, 1), maxRoom)
	m.left.Store(-1)
	hello := helloSaid{o.Hello, m.id}
	hello.Time = cmp.Or(hello.Time, time.Now())
	var welcome welcomeSaid
	settings, err := seal.ask(ctx, o.Link, kindHello, hello, kindWelcome, &welcome)
	switch {
	case err != nil:
		return nil, err
	case welcome.Refused != "":
		return nil, &RefusedError{Why: welcome.Refused}
	}
	m.operation, m.settings = welcome.Operation, settings
	return m, nil
}

// tellOther tells the coordinator that this worker has another key file, with this id. It may be lost.
func tellOther(ctx context.Context, o JoinOptions, keyID string) {
	h := header{Kind: kindOther, Firn: o.Hello.Firn, KeyID: keyID}
	_, _ = o.Link.Ask(ctx, append(h.write(), o.Hello.Host...))
}

// find asks which run there is. Nothing proves the reply.
func find(ctx context.Context, link Link) (h header, message []byte, err error) {
	nonce := word()
	message, err = link.Ask(ctx, header{Kind: kindSeek, Slot: nonce}.write())
	if err != nil {
		return h, nil, err
	}
	h, _, _, err = readHeader(message)
	switch {
	case errors.Is(err, errForged):
		return h, nil, err
	case err != nil:
		return h, nil, &doubtfulError{&RefusedError{Why: fmt.Sprintf("the coordinator is another version of firn: %v", err)}}
	case h.Kind != kindRun || h.Slot != nonce:
		return h, nil, errForged
	}
	return h, message, nil
}

// seek asks which run there is, and makes the keys that it has. The salt is the coordinator's, so that
// all hosts have one.
func seek(ctx context.Context, link Link, keys *encryption.Keys, firn string) (*sealer, *encryption.Keys, error) {
	h, message, err := find(ctx, link)
	if err != nil {
		return nil, nil, err
	}
	if keys, err = keys.ForID(h.KeyID); err != nil {
		return nil, nil, err
	}
	seal, err := newSealer(keys, h.Run, firn)
	if err == nil {
		_, _, err = seal.open(kindRun, message, &struct{}{})
	}
	return seal, keys, err
}

// ask asks the coordinator, and reads its reply into v; it returns the body. The reply is to this
// question: it has its nonce.
func (s *sealer) ask(ctx context.Context, link Link, k kind, q any, replied kind, v any) ([]byte, error) {
	nonce := word()
	message, err := s.seal(k, nonce, q, nil)
	if err != nil {
		return nil, err
	}
	reply, err := link.Ask(ctx, message)
	if err != nil {
		return nil, err
	}
	slot, body, err := s.open(replied, reply, v)
	if errors.Is(err, errOtherRun) && s.proves(reply, nonce) {
		return nil, ErrOtherRun
	}
	if err == nil && slot != nonce {
		err = errForged
	}
	return body, err
}

// proves reports whether a reply to a question is of another run, of the same key file.
func (s *sealer) proves(reply []byte, nonce string) bool {
	h, _, _, err := readHeader(reply)
	if err != nil {
		return false
	}
	other, err := s.other(h)
	if err != nil {
		return false
	}
	slot, _, err := other.open(kindRun, reply, &struct{}{})
	return err == nil && slot == nonce
}

// other is the sealer of another run, of the same key file.
func (s *sealer) other(h header) (*sealer, error) {
	keys, err := s.keys.ForID(h.KeyID)
	if err != nil {
		return nil, err
	}
	return newSealer(keys, h.Run, s.firn)
}
