package exclude

import (
	"errors"
	"fmt"
	"strings"
)

// glob is a compiled pattern: a literal, followed by what is not. The literals at its ends are
// compared first, which decides most comparisons.
type glob struct {
	prefix string
	rest   []token
	tail   string // the bytes that rest ends in
	star   bool   // rest is one '*', and tail
}

type op uint8

const (
	opByte   op = iota // this byte
	opClass            // one byte of a class
	opStar             // any bytes but '/'
	opDeep             // any bytes
	opOption           // the next two tokens, or neither: before an opDeep and a slash
)

type token struct {
	op    op
	char  byte
	class *class
}

// class is a set of bytes; '/' is in none.
type class [4]uint64

func (c *class) add(b byte) { c[b>>6] |= 1 << (b & 63) }
func (c *class) addRange(low, high byte) {
	for b := int(low); b <= int(high); b++ {
		c.add(byte(b))
	}
}
func (c *class) has(b byte) bool { return c[b>>6]&(1<<(b&63)) != 0 }

// compile reads a pattern as gitignore(5) describes, and as git does where that leaves something
// open: "**" is special at the beginning, also right after the literal that a pattern begins with,
// and after a slash, if a slash or the end follows.
func compile(p string) (glob, error) {
	i := strings.IndexAny(p, `*?[\`)
	if i < 0 {
		return glob{prefix: p}, nil
	}
	g := glob{prefix: p[:i]}
	for begin := i; i < len(p); {
		switch c := p[i]; c {
		case '*':
			stars := i
			for i < len(p) && p[i] == '*' {
				i++
			}
			boundary := stars == begin || p[stars-1] == '/'
			g.addStars(i-stars > 1 && boundary, p[i:])
		case '?':
			g.rest = append(g.rest, token{op: opClass, class: &class{}})
			negate(g.rest[len(g.rest)-1].class)
			i++
		case '[':
			set, n, err := compileClass(p[i:])
			if err != nil {
				return glob{}, err
			}
			g.rest = append(g.rest, token{op: opClass, class: set})
			i += n
		case '\\':
			if i+1 == len(p) {
				return glob{}, errors.New(`a backslash at the end quotes nothing; write two for one, or a "/" for a directory`)
			}
			g.rest = append(g.rest, token{op: opByte, char: p[i+1]})
			i += 2
		default:
			g.rest = append(g.rest, token{op: opByte, char: c})
			i++
		}
	}
	g.findTail()
	return g, nil
}

// addStars adds the token for a run of stars, given what follows it.
func (g *glob) addStars(deep bool, after string) {
	switch {
	case deep && strings.HasPrefix(after, "/"):
		// The slash, which may be missing with what is before it, is the byte that compile comes to next.
		g.rest = append(g.rest, token{op: opOption}, token{op: opDeep})
	case deep && (after == "" || strings.HasPrefix(after, `\/`)):
		g.rest = append(g.rest, token{op: opDeep})
	default:
		g.rest = append(g.rest, token{op: opStar})
	}
}

func (g *glob) findTail() {
	i := len(g.rest)
	for i > 0 && g.rest[i-1].op == opByte {
		i--
	}
	if i > 1 && g.rest[i-2].op == opOption {
		i++ // the slash may be missing
	}
	var tail []byte
	for _, t := range g.rest[i:] {
		tail = append(tail, t.char)
	}
	g.tail, g.star = string(tail), i == 1 && g.rest[0].op == opStar
}

func negate(c *class) {
	for i := range c {
		c[i] = ^c[i]
	}
	c['/'>>6] &^= 1 << ('/' & 63)
}

// compileClass reads a bracket expression, and returns how long it is.
func compileClass(p string) (*class, int, error) {
	c := &class{}
	i := 1
	negated := i < len(p) && (p[i] == '!' || p[i] == '^')
	if negated {
		i++
	}
	// low is what a range would begin with; a range or a named class can't begin one.
	for first, low := i, -1; i < len(p); {
		switch b := p[i]; {
		case b == ']' && i > first:
			c['/'>>6] &^= 1 << ('/' & 63)
			if negated {
				negate(c)
			}
			return c, i + 1, nil
		case b == '-' && low > 0 && i+1 < len(p) && p[i+1] != ']':
			high, n, err := classByte(p[i+1:])
			if err != nil {
				return nil, 0, err
			}
			c.addRange(byte(low), high)
			low, i = -1, i+1+n
		case b == '[' && i+1 < len(p) && p[i+1] == ':':
			n, err := c.addNamed(p[i:])
			if err != nil {
				return nil, 0, err
			}
			if low = -1; n == 0 {
				c.add('[')
				low, n = '[', 1
			}
			i += n
		default:
			b, n, err := classByte(p[i:])
			if err != nil {
				return nil, 0, err
			}
			c.add(b)
			low, i = int(b), i+n
		}
	}
	return nil, 0, errors.New(`a "[" has no "]"; write "\[" for the character itself`)
}

// classByte reads one byte of a bracket expression, quoted or not.
func classByte(p string) (b byte, n int, err error) {
	if p[0] != '\\' {
		return p[0], 1, nil
	}
	if len(p) == 1 {
		return 0, 0, errors.New("a backslash at the end quotes nothing")
	}
	return p[1], 2, nil
}

// addNamed adds a class such as [:alpha:], which p begins with, and returns how long it is; 0 when
// p names none, because "]" comes without ":".
func (c *class) addNamed(p string) (n int, err error) {
	end := strings.IndexByte(p[2:], ']')
	if end < 0 {
		return 0, errors.New(`a "[" has no "]"`)
	}
	name, ok := strings.CutSuffix(p[2:2+end], ":")
	if !ok {
		return 0, nil
	}
	ranges, ok := namedClasses[name]
	if !ok {
		return 0, fmt.Errorf("there is no class [:%s:]", name)
	}
	for i := 0; i < len(ranges); i += 2 {
		c.addRange(ranges[i], ranges[i+1])
	}
	return 2 + end + 1, nil
}

// namedClasses are those of POSIX, in ASCII: the first and the last byte of each range.
var namedClasses = map[string]string{
	"upper": "AZ", "lower": "az", "digit": "09", "alpha": "AZaz", "alnum": "AZaz09", "xdigit": "09AFaf",
	"blank": "  \t\t", "space": "  \t\r", "cntrl": "\x00\x1f\x7f\x7f", "graph": "!~", "print": " ~",
	"punct": "!/:@[`{~",
}
