package jetstream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"firn/stages/service/hosts"
)

const (
	workers = "workers" // the consumer of the items

	// maxKept is how many messages a stream keeps: far more than a coordinator offers.
	maxKept = 1 << 20
	// maxBytes is how much a stream keeps: 128 of the largest messages, or 100,000 items of 1 KiB. More
	// waits for room. The broker reserves it.
	maxBytes = 128 << 20
	// maxSize is that of a message, with what stands before an item or an answer.
	maxSize = hosts.MaxMessage + 4<<10
)

func (l *Link) itemsName() string          { return "FIRN_" + l.o.Name + "_items" }
func (l *Link) answersName() string        { return "FIRN_" + l.o.Name + "_answers" }
func (l *Link) subject(kind string) string { return "firn." + l.o.Name + "." + kind }

// streams are those of the queue, as they are made. Their numbers begin where those of streams that are
// gone never were: what a worker says late of an item of those is of none of these.
func (l *Link) streams() []jetstream.StreamConfig {
	common := jetstream.StreamConfig{
		FirstSeq:  uint64(time.Now().UnixMicro()),
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxMsgs: maxKept, MaxBytes: maxBytes, MaxMsgSize: maxSize, Replicas: 1,
	}
	if l.o.InProcess != nil {
		common.MaxBytes = -1 // it has a limit of its own, which an old queue's reservation must not use up
	}
	items, answers := common, common
	items.Name, items.Subjects = l.itemsName(), []string{l.subject("item.*")}
	items.MaxMsgsPerSubject, items.DiscardNewPerSubject = 1, true
	answers.Name, answers.Subjects = l.answersName(), []string{l.subject("answer")}
	return []jetstream.StreamConfig{items, answers}
}

// ensure makes a stream, or says what differs in the one that is there. A broker that fails to make one
// for some time is given up: nothing is lost yet.
func (l *Link) ensure(ctx context.Context, want jetstream.StreamConfig) (s jetstream.Stream, err error) {
	began := time.Now()
	err = l.try(ctx, fmt.Sprintf("making the stream %s at %s", want.Name, l.o.broker()), func(ctx context.Context) error {
		s, err = l.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = l.create(ctx, want)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // somebody else makes it, with other settings
				s, err = l.js.Stream(ctx, want.Name)
			}
		}
		if coded(err, codeSubjects) {
			return fatal("another stream of the broker has its subjects, %v: choose another name for the queue, or delete that stream", want.Subjects)
		}
		if api := new(jetstream.APIError); err != nil && time.Since(began) >= l.o.quick.makes && errors.As(err, &api) {
			return fatal("%v: it was tried for %s", plain(l.verdict(err)), l.o.quick.makes)
		}
		if err != nil {
			return err
		}
		if what := differs(s.CachedInfo().Config, want); what != "" {
			return fatal("it exists with other settings: %s: choose another name for the queue, or delete the stream", what)
		}
		return nil
	})
	return s, err
}

// create makes a stream.
func (l *Link) create(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := l.js.CreateStream(ctx, want)
	if want.MaxBytes > 0 && (coded(err, codeStorage) || coded(err, codeRoom) || coded(err, codeMost) || coded(err, codePeers)) {
		want.MaxBytes = -1 // the site gives less: its own limit holds
		s, err = l.js.CreateStream(ctx, want)
	}
	return s, err
}

// differs names the first setting of a stream that is not as firn needs it.
func differs(have, want jetstream.StreamConfig) string {
	for _, s := range []struct {
		name       string
		have, want any
	}{
		{"retention", have.Retention, want.Retention},
		{"storage", have.Storage, want.Storage},
		{"discard", have.Discard, want.Discard},
		{"max_msgs_per_subject", max(have.MaxMsgsPerSubject, 0), max(want.MaxMsgsPerSubject, 0)},
		{"discard_new_per_subject", have.DiscardNewPerSubject, want.DiscardNewPerSubject},
		{"max_age", have.MaxAge, want.MaxAge},
		{"no_ack", have.NoAck, false},
		{"sealed", have.Sealed, false},
		{"deny_delete", have.DenyDelete, false},
		{"deny_purge", have.DenyPurge, false},
		{"a source or a mirror", have.Mirror != nil || len(have.Sources) > 0, false},
		{"a subject transform", have.SubjectTransform != nil, false},
	} {
		if !reflect.DeepEqual(s.have, s.want) {
			return fmt.Sprintf("%s is %v, not %v", s.name, s.have, s.want)
		}
	}
	if !slices.Equal(have.Subjects, want.Subjects) {
		return fmt.Sprintf("its subjects are %v, not %v", have.Subjects, want.Subjects)
	}
	return ""
}

// coded reports whether the broker gave an error of a code.
func coded(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}

// absent reports whether the broker says that a stream or a consumer does not exist.
func absent(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
}

// remove deletes a message. One that somebody else deleted in between is no error.
func remove(ctx context.Context, s jetstream.Stream, seq uint64) error {
	err := s.DeleteMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // which says why in words alone
		if _, gone := s.GetMsg(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	return err
}
