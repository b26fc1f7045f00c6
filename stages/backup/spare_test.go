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
// is more than a part and than what its link sends in some seconds; near the end of a run, less.
func TestSpare(t *testing.T) {
	const few, tiny = manyAtOnce + spareArchives, 1000
	sparing(t, func(p *sparer) {
		p.check(true, hosts.InHand{})
		p.check(false, hosts.InHand{Make: 1, MakeBytes: onePart}) // one large archive at a time, at first
		p.check(true, hosts.InHand{Make: 1, MakeBytes: onePart - 1})
		p.check(false, hosts.InHand{Send: onePart + 1})
		time.Sleep(unknown)
		p.check(true, hosts.InHand{Send: 2 * onePart}) // it tries the link, which may have room
		p.check(false, hosts.InHand{Send: 2*onePart + 1})
		p.check(false, hosts.InHand{Make: 1, Send: onePart + 1})
		p.busyNow = true
		for n := 1; n < few; n++ {
			p.check(false, hosts.InHand{Make: n, MakeBytes: onePart + 1})
			p.check(true, hosts.InHand{Make: n, MakeBytes: onePart - 1})
		}
		p.busyNow = false
		p.check(true, hosts.InHand{Make: manyAtOnce - 1, MakeBytes: 1 << 40})
		p.check(false, hosts.InHand{Make: few, MakeBytes: onePart})
		p.check(true, hosts.InHand{Make: few, MakeBytes: onePart - 1})
		p.check(true, hosts.InHand{Make: spareTiny - 1, MakeBytes: tiny})
		p.check(false, hosts.InHand{Make: spareTiny, MakeBytes: tiny})
		p.check(true, hosts.InHand{Send: onePart})
		p.check(false, hosts.InHand{Make: few, MakeBytes: onePart, Send: onePart})

		const rate = 10 << 20 // bytes a second
		p.send(8, rate, 1)
		p.send(8, rate, 8) // which slow each other
		p.rate = rate      // and not an average with the time before
		for _, p.left = range []time.Duration{-1, time.Hour, spareShare * spareTime} {
			p.check(true, hosts.InHand{Send: 3 * rate})
			p.check(false, hosts.InHand{Send: 3*rate + 1})
			p.check(true, hosts.InHand{Make: few, MakeBytes: 3*rate - 1})
			p.check(false, hosts.InHand{Make: few, MakeBytes: 3 * rate})
			p.check(false, hosts.InHand{Make: few, MakeBytes: rate, Send: 2 * rate})
		}
		p.check(true, hosts.InHand{Make: manyAtOnce + 1, MakeBytes: 1 << 40})
		p.left = spareShare * 2 * time.Second // the end is near
		p.check(true, hosts.InHand{Send: 2 * rate})
		p.check(false, hosts.InHand{Send: 2*rate + 1})
		p.check(true, hosts.InHand{Make: manyAtOnce - 1, MakeBytes: 1 << 40})
		p.check(true, hosts.InHand{Make: manyAtOnce, MakeBytes: rate, Send: rate})
		p.check(false, hosts.InHand{Make: manyAtOnce, MakeBytes: rate, Send: rate + 1})
		p.left = 0
		p.check(true, hosts.InHand{Send: rate / 2})
		p.check(false, hosts.InHand{Send: rate/2 + 1})
		p.left = -1
		p.send(20, 0, 8) // the link is slow now
		p.check(false, hosts.InHand{Send: onePart + 1})
	})
}

// TestSpareConnections: while connections are idle, and those that work are as fast as fewer were, a worker
// takes more; and none that would wait to be sent while all are busy. As long as it does not know, it takes
// one more.
func TestSpareConnections(t *testing.T) {
	sparing(t, func(p *sparer) {
		const one = 1 << 20 // bytes a second of a connection
		much := hosts.InHand{Send: 100 << 20}
		p.check(false, much)
		for _, n := range []int{1, 2, 4, 8} {
			p.send(12, n*one, n)
			p.check(n > 1, much)
			p.check(true, hosts.InHand{Send: 2 * onePart})
			p.left = time.Second
			p.check(n > 1, much)
			p.left = -1
			p.busyNow = true
			p.check(false, much)
			p.check(false, hosts.InHand{Make: 1, MakeBytes: 100 << 20})
			p.check(true, hosts.InHand{Make: 1, MakeBytes: one})
			p.busyNow = false
		}
		p.send(8, 8*one, 32) // the link has no more
		p.check(false, much)
		p.send(8, 8*one, 9)
		p.check(true, much)
	})
}

const (
	manyAtOnce = 4
	onePart    = 8 << 20
)

// A sparer is a spare whose link and connections are the test's.
type sparer struct {
	*spare
	t       *testing.T
	traffic *store.Traffic
	worked  time.Duration
	now     int // connections that are busy
	busyNow bool
	left    time.Duration
}

func sparing(t *testing.T, fn func(p *sparer)) {
	synctest.Test(t, func(t *testing.T) {
		p := &sparer{t: t, traffic: new(store.Traffic), left: -1}
		p.spare = &spare{
			backup: &backup{
				Job:     &job.Job{Means: job.Means{PartSize: onePart, Traffic: p.traffic}},
				options: Options{Workers: Workers{Archive: manyAtOnce}},
			},
			idle: func() bool { return !p.busyNow }, busy: func() (time.Duration, int) { return p.worked, p.now },
		}
		fn(p)
	})
}

func (p *sparer) check(want bool, has hosts.InHand) {
	p.t.Helper()
	if got := p.room(has, p.left); got != want {
		p.t.Errorf("room for one more beside %+v with %v left: %v", has, p.left, got)
	}
}

// send sends bytes a second on some connections.
func (p *sparer) send(seconds int, rate, connections int) {
	for range seconds {
		time.Sleep(time.Second)
		p.traffic.Try(p.t.Context()).Sent(rate)
		p.worked += time.Duration(connections) * time.Second
		p.now = connections
		p.room(hosts.InHand{}, p.left)
	}
}
