package backup

import (
	"testing"
	"testing/synctest"
	"time"

	"firn/stages/job"
	"firn/stages/service/hosts"
	"firn/stages/store"
)

// TestSpare: a worker takes some archives ahead, many if they are tiny, and none while what it has made
// is more than a part and than what its link sends in some seconds. Near the end of a run, and while its
// connections are idle, it is a part of the time that is left.
func TestSpare(t *testing.T) {
	const archives, part = 4, 8 << 20
	synctest.Test(t, func(t *testing.T) {
		traffic := new(store.Traffic)
		hungry, left := false, time.Duration(-1)
		p := &spare{hungry: func() bool { return hungry }, backup: &backup{Job: &job.Job{Means: job.Means{PartSize: part, Traffic: traffic}}, options: Options{Workers: Workers{Archive: archives}}}}
		check := func(want bool, has hosts.InHand) {
			t.Helper()
			if got := p.room(has, left); got != want {
				t.Errorf("room for one more beside %+v: %v", has, got)
			}
		}
		few, tiny := archives+spareArchives, int64(1000)
		check(true, hosts.InHand{})
		for n := 1; n < few; n++ { // one more at once every half second
			check(false, hosts.InHand{Make: n, MakeBytes: part})
			check(true, hosts.InHand{Make: n, MakeBytes: part - 1})
			time.Sleep(slowly)
			check(true, hosts.InHand{Make: n, MakeBytes: part})
		}
		check(true, hosts.InHand{Make: few - 1, MakeBytes: 1 << 40})
		check(false, hosts.InHand{Make: few, MakeBytes: part})
		check(true, hosts.InHand{Make: few, MakeBytes: part - 1})
		check(true, hosts.InHand{Make: spareTiny - 1, MakeBytes: tiny})
		check(false, hosts.InHand{Make: spareTiny, MakeBytes: tiny})
		check(true, hosts.InHand{Send: part})
		check(false, hosts.InHand{Send: part + 1})
		check(false, hosts.InHand{Make: few, MakeBytes: part, Send: part})

		const rate = 10 << 20 // bytes a second
		send := func(seconds int) {
			for range seconds {
				time.Sleep(time.Second)
				traffic.Try(t.Context()).Sent(rate)
				p.room(hosts.InHand{}, left)
			}
		}
		send(4)
		check(true, hosts.InHand{Send: 3 * rate})
		check(true, hosts.InHand{Make: few, MakeBytes: 3*rate - 1})
		check(false, hosts.InHand{Make: few, MakeBytes: 3 * rate})
		check(false, hosts.InHand{Make: few, MakeBytes: rate, Send: 2 * rate})
		check(false, hosts.InHand{Send: 3*rate + 1})
		for _, left = range []time.Duration{time.Hour, 12 * time.Second} { // plenty
			hungry = false
			check(true, hosts.InHand{Make: few - 1, MakeBytes: 1 << 40, Send: 3 * rate})
			check(false, hosts.InHand{Send: 3*rate + 1})
			hungry = true
			check(true, hosts.InHand{Send: int64(left.Seconds()) * rate / 4})
			check(false, hosts.InHand{Send: int64(left.Seconds())*rate/4 + 1})
		}
		left = 8 * time.Second // the end is near
		check(true, hosts.InHand{Send: 2 * rate})
		check(false, hosts.InHand{Send: 2*rate + 1})
		check(true, hosts.InHand{Make: archives - 1, MakeBytes: 1 << 40})
		check(true, hosts.InHand{Make: archives, MakeBytes: rate, Send: rate})
		check(false, hosts.InHand{Make: archives, MakeBytes: rate, Send: rate + 1})
		left = 0
		check(true, hosts.InHand{Send: rate / 2})
		check(false, hosts.InHand{Send: rate/2 + 1})
		check(true, hosts.InHand{Make: few, MakeBytes: rate/2 - 1})
		check(false, hosts.InHand{Make: few, MakeBytes: rate / 2})
		left = -1
		time.Sleep(4 * time.Second) // the link is slow now
		check(false, hosts.InHand{Send: part + 1})
	})
}
