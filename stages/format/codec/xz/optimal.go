package xz

const (
	horizon  = 4096 // how many bytes one plan covers at most
	renewal  = 128  // symbols that are coded between two renewals of the prices
	infinite = 1 << 30
)

// A node is a place in a plan: the cheapest known way to it, and the model's state there.
type node struct {
	price uint32
	from  int32  // the node before
	first symbol // from there
	tail  bool   // a literal and a match at the distance of first (or the last distance, if first is no match) follow first
	state uint8
	reps  [4]uint32
}

// An optimal parser finds the cheapest symbols for a range: a shortest path, by the current prices.
type optimal struct {
	prices
	*chunker
	finder  finder
	noise   noise
	nice    int
	nodes   [horizon + 2*maxMatch + 2]node
	last    int // the farthest node reached
	matches []match
	plan    []symbol
	coded   int // symbols since the prices were renewed
}

func (o *optimal) run(c *chunker) {
	o.chunker = c
	o.finder.begin(c.buf)
	o.noise.next = 0
	o.coded = renewal
	for c.at < len(c.buf) {
		if o.noise.store(c, o.finder) {
			o.coded = renewal
			continue
		}
		if o.coded >= renewal {
			o.renew(&c.model)
			o.coded = 0
		}
		o.look()
		for i := len(o.plan) - 1; i >= 0; i-- {
			c.add(o.plan[i])
		}
		o.coded += len(o.plan)
	}
}

// look makes the plan for a stretch from where the chunker is, the last symbol first.
func (o *optimal) look() {
	start := o.at
	o.plan = o.plan[:0]
	o.nodes[0] = node{state: o.state, reps: o.reps}
	o.last = 0
	for cur := 0; ; cur++ {
		if cur > 0 {
			if cur == o.last || cur >= horizon {
				o.trace(cur)
				return
			}
			o.arrive(cur)
		}
		at := start + cur
		o.matches = o.finder.find(o.matches[:0], at)
		if long, ok := o.long(cur, at); ok {
			o.finder.skip(at+1, int(long.length)-1)
			o.plan = append(o.plan, long)
			o.trace(cur)
			return
		}
		o.reach(cur + 1)
		o.extend(cur, at)
	}
}

// long returns a match so long that nothing better is looked for.
func (o *optimal) long(cur, at int) (symbol, bool) {
	limit := min(maxMatch, len(o.buf)-at)
	n := &o.nodes[cur]
	for _, d := range n.reps {
		if int(d) < at {
			if length := common(o.buf, at-int(d)-1, at, 0, limit); length >= o.nice {
				return symbol{uint32(length), d + 1}, true
			}
		}
	}
	if len(o.matches) > 0 {
		m := o.matches[len(o.matches)-1]
		if int(m.length) >= o.nice {
			return symbol{uint32(common(o.buf, at-int(m.distance), at, int(m.length), limit)), m.distance}, true
		}
	}
	return symbol{}, false
}

// reach makes sure that nodes up to n exist.
func (o *optimal) reach(n int) {
	for o.last < n {
		o.last++
		o.nodes[o.last].price = infinite
	}
}

// offer records a way to node n if it is the cheapest so far.
func (o *optimal) offer(n int, price uint32, from int, first symbol, tail bool) {
	if to := &o.nodes[n]; price < to.price {
		to.price, to.from, to.first, to.tail = price, int32(from), first, tail
	}
}

// arrive computes the model's state at a node from the node before.
func (o *optimal) arrive(cur int) {
	to := &o.nodes[cur]
	from := &o.nodes[to.from]
	to.state, to.reps = step(from.state, from.reps, to.first)
	if to.tail {
		to.state = afterRep(afterLiteral(to.state))
	}
}

// step returns the state and the last distances after a symbol.
func step(state uint8, reps [4]uint32, s symbol) (uint8, [4]uint32) {
	if s.distance == 0 {
		return afterLiteral(state), reps
	}
	d := s.distance - 1
	if s.length == 1 {
		return afterShortRep(state), reps
	}
	for k, rep := range reps {
		if rep == d {
			return afterRep(state), promote(reps, uint32(k))
		}
	}
	return afterMatch(state), [4]uint32{d, reps[0], reps[1], reps[2]}
}

// trace appends the way to node cur to the plan, from its end.
func (o *optimal) trace(cur int) {
	for cur > 0 {
		n := &o.nodes[cur]
		from := int(n.from)
		if d := n.first.distance; n.tail && d == 0 {
			o.plan = append(o.plan, symbol{uint32(cur - from - 1), o.nodes[from].reps[0] + 1})
		} else if n.tail {
			o.plan = append(o.plan, symbol{uint32(cur-from) - n.first.length - 1, d}, symbol{length: 1})
		}
		o.plan = append(o.plan, n.first)
		cur = from
	}
}

// extend offers all ways on from node cur, which is at buf[at].
func (o *optimal) extend(cur, at int) {
	n := &o.nodes[cur]
	m := &o.model
	position := at & positionMask
	limit := min(maxMatch, len(o.buf)-at, len(o.nodes)-1-cur)
	isMatch := m.isMatch[n.state][position]
	rep0 := int(n.reps[0]) + 1
	v := o.buf[at]
	var before, like byte
	if at > 0 {
		before = o.buf[at-1]
	}
	if rep0 <= at {
		like = o.buf[at-rep0]
	}

	literal := n.price + o.zero(isMatch) + o.literal(&m.literal[before>>(8-literalContext)], v, like, n.state >= firstMatch)
	o.offer(cur+1, literal, cur, symbol{length: 1}, false)
	matchPrice := n.price + o.one(isMatch)
	repPrice := matchPrice + o.one(m.isRep[n.state])
	if v == like && rep0 <= at {
		price := repPrice + o.zero(m.isRepG0[n.state]) + o.zero(m.isRep0Long[n.state][position])
		o.offer(cur+1, price, cur, symbol{1, uint32(rep0)}, false)
	} else if rep0 <= at {
		o.tail(cur, at, symbol{length: 1}, afterLiteral(n.state), literal, rep0)
	}
	if limit < minMatch {
		return
	}
	best := o.repeats(cur, at, limit, repPrice)
	if len(o.matches) > 0 {
		o.fresh(cur, at, limit, best, matchPrice+o.zero(m.isRep[n.state]))
	}
}

// repeats offers matches at the last distances. It returns the length of the one at the very last.
func (o *optimal) repeats(cur, at, limit int, base uint32) int {
	n := &o.nodes[cur]
	m := &o.model
	position := at & positionMask
	first := minMatch - 1
	for k, d := range n.reps {
		back := int(d) + 1
		if back > at || o.buf[at] != o.buf[at-back] {
			continue
		}
		length := common(o.buf, at-back, at, 1, limit)
		if length < minMatch {
			continue
		}
		var price uint32
		switch k {
		case 0:
			price = base + o.zero(m.isRepG0[n.state]) + o.one(m.isRep0Long[n.state][position])
			first = length
		case 1:
			price = base + o.one(m.isRepG0[n.state]) + o.zero(m.isRepG1[n.state])
		default:
			price = base + o.one(m.isRepG0[n.state]) + o.one(m.isRepG1[n.state]) + o.bit(m.isRepG2[n.state], uint32(k-2))
		}
		o.reach(cur + length)
		for l := minMatch; l <= length; l++ {
			o.offer(cur+l, price+o.rep[position][l], cur, symbol{uint32(l), d + 1}, false)
		}
		o.tail(cur, at, symbol{uint32(length), d + 1}, afterRep(n.state), price+o.rep[position][length], back)
	}
	return first
}

// fresh offers the matches that the finder found, for lengths beyond best.
func (o *optimal) fresh(cur, at, limit, best int, base uint32) {
	n := &o.nodes[cur]
	position := at & positionMask
	length := best + 1
	for _, m := range o.matches {
		longest := min(int(m.length), limit)
		if longest < length {
			continue
		}
		d := m.distance - 1
		o.reach(cur + longest)
		var price uint32
		for ; length <= longest; length++ {
			price = base + o.match[position][length] + o.distance(d, lengthState(uint32(length)))
			o.offer(cur+length, price, cur, symbol{uint32(length), m.distance}, false)
		}
		o.tail(cur, at, symbol{uint32(longest), m.distance}, afterMatch(n.state), price, int(m.distance))
	}
}

// tail offers first (which costs price and leaves the state given), then a literal, then a match at
// the same distance. For a first that is a literal itself, only the match follows.
func (o *optimal) tail(cur, at int, first symbol, state uint8, price uint32, back int) {
	m := &o.model
	next := at + int(first.length)
	if first.distance != 0 {
		next++
	}
	limit := min(o.nice, len(o.buf)-next, len(o.nodes)-1-cur-(next-at))
	if limit < minMatch || o.buf[next] != o.buf[next-back] || o.buf[next+1] != o.buf[next+1-back] {
		return
	}
	length := common(o.buf, next-back, next, 2, limit)
	if first.distance != 0 {
		lit := next - 1
		price += o.zero(m.isMatch[state][lit&positionMask])
		price += o.literal(&m.literal[o.buf[lit-1]>>(8-literalContext)], o.buf[lit], o.buf[lit-back], true)
		state = afterLiteral(state)
	}
	position := next & positionMask
	price += o.one(m.isMatch[state][position]) + o.one(m.isRep[state])
	price += o.zero(m.isRepG0[state]) + o.one(m.isRep0Long[state][position]) + o.rep[position][length]
	end := cur + next - at + length
	o.reach(end)
	o.offer(end, price, cur, first, true)
}
