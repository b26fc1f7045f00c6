package hoststest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/hoststest"
)

// TestLeases: what is not renewed is handed out again, MaxTries times in all, and is spent then.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		q := hoststest.New()
		boss, worker := q.Link(), q.Link()
		defer boss.Close()
		defer worker.Close()
		if err := boss.Lead(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time it is kept already
			if err := boss.Offer(ctx, "a", []byte("body")); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		for try := 1; try <= hosts.MaxTries; try++ {
			lease, err := worker.Take(ctx)
			if err != nil || lease.ID() != "a" || lease.Try() != try || string(lease.Body()) != "body" {
				t.Fatalf("%v, %v", lease, err)
			}
			if want := time.Duration(try-1) * 90 * time.Second; time.Since(start) != want {
				t.Errorf("try %d began after %v, not %v", try, time.Since(start), want)
			}
			time.Sleep(30 * time.Second)
			if err := lease.Renew(ctx); err != nil {
				t.Error(err)
			}
		}
		var spent string
		ctx, cancel := context.WithCancel(ctx)
		_ = boss.Spent(ctx, func(id string, _ []byte) error {
			spent = id
			cancel()
			return nil
		})
		if spent != "a" || q.Kept() != (hosts.Kept{}) {
			t.Errorf("%q is spent, %+v is kept", spent, q.Kept())
		}
	})
}

// TestLead: who left makes room at once, who was killed after a time, and who is there does not.
func TestLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		q := hoststest.New()
		for i, leave := range []func(*hoststest.Link){func(l *hoststest.Link) { l.Close() }, (*hoststest.Link).Kill, (*hoststest.Link).Freeze} {
			first := q.Link()
			if err := first.Lead(ctx, time.Minute); err != nil {
				t.Fatal(err)
			}
			_, _ = first.Offer(ctx, "a", nil), first.Answer(ctx, nil)
			second := q.Link()
			if err := second.Lead(ctx, time.Minute); !errors.Is(err, hosts.ErrLed) {
				t.Errorf("two lead: %v", err)
			}
			leave(first)
			if err := second.Lead(ctx, time.Minute); err != nil {
				t.Error(err)
			}
			if q.Kept() != (hosts.Kept{}) {
				t.Errorf("an earlier run left %+v", q.Kept())
			}
			first.Thaw()
			for what, err := range map[string]error{"hears": first.Answers(ctx, nil), "withdraws": first.Withdraw(ctx)} {
				if err == nil || i == 2 && !pipeline.IsFatal(err) {
					t.Errorf("who led %s: %v", what, err)
				}
			}
			first.Close()
			second.Close()
		}
	})
}

func TestQueue(t *testing.T) {
	hoststest.TestLink(t, time.Minute, func(t *testing.T, test func(*testing.T, hoststest.Broker)) {
		synctest.Test(t, func(t *testing.T) {
			q := hoststest.New()
			test(t, hoststest.Broker{
				Link: func() hosts.Link { return q.Link() },
				Kill: func(l hosts.Link) { l.(*hoststest.Link).Kill() },
			})
		})
	})
}
