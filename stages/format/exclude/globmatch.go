package exclude

import (
	"bytes"
	"strings"
)

// match reports whether the whole of s matches.
func (g *glob) match(s []byte) bool {
	if len(s) < len(g.prefix) || string(s[:len(g.prefix)]) != g.prefix {
		return false
	}
	s = s[len(g.prefix):]
	if g.rest == nil {
		return len(s) == 0
	}
	head := len(s) - len(g.tail)
	if head < 0 || string(s[head:]) != g.tail {
		return false
	}
	if g.star {
		return bytes.IndexByte(s[:head], '/') < 0
	}
	var short states
	end := g.run(s, &short)
	return end != nil && end[len(g.rest)]
}

// matchesBelow reports whether something that begins with dir, which ends in a slash, could match.
func (g *glob) matchesBelow(dir []byte) bool {
	if len(dir) <= len(g.prefix) {
		return strings.HasPrefix(g.prefix, string(dir))
	}
	rest, ok := bytes.CutPrefix(dir, []byte(g.prefix))
	return ok && g.run(rest, new(states)) != nil
}

// states are room for those of most patterns.
type states [2][128]bool

// run follows all ways through the pattern at once, so that no pattern takes longer than its length
// times that of s. State i is alive when the tokens before i match what has been read of s; state
// len(rest) is the end. run returns the states after s; nil if none is alive.
func (g *glob) run(s []byte, short *states) []bool {
	n := len(g.rest) + 1
	now, next := short[0][:], short[1][:]
	if n > len(now) {
		now, next = make([]bool, n), make([]bool, n)
	}
	now, next = now[:n], next[:n]
	now[0] = true
	for _, c := range s {
		g.skipEmpty(now)
		clear(next)
		alive := false
		for i, t := range g.rest {
			if !now[i] {
				continue
			}
			stay, pass := t.step(c)
			next[i] = next[i] || stay
			next[i+1] = next[i+1] || pass
			alive = alive || stay || pass
		}
		if !alive {
			return nil
		}
		now, next = next, now
	}
	g.skipEmpty(now)
	return now
}

// skipEmpty passes the tokens that may match nothing.
func (g *glob) skipEmpty(alive []bool) {
	for i, t := range g.rest {
		if !alive[i] {
			continue
		}
		switch t.op {
		case opStar, opDeep:
			alive[i+1] = true
		case opOption:
			alive[i+1], alive[i+3] = true, true
		}
	}
}

// step says whether a token can go on after c, and whether c can be its last byte.
func (t token) step(c byte) (stay, pass bool) {
	switch t.op {
	case opByte:
		return false, c == t.char
	case opClass:
		return false, t.class.has(c)
	case opStar:
		return c != '/', false
	case opDeep:
		return true, false
	}
	return false, false
}
