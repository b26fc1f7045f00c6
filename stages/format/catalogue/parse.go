package catalogue

import (
	"bytes"
	"unicode/utf8"
)

// parse reads a line as append writes it, where no string in it needs JSON's escapes: that is, nearly all of the hundred
// million lines that a search may have to read, in a fifth of the time that encoding/json takes. It returns false for any
// other line, of which encoding/json is to be asked; what is in e then is of no account.
func (e *Entry) parse(line []byte) bool {
	p := parser{rest: line, ok: true}
	*e = Entry{}
	p.want(`{"path":"`)
	e.Path = string(p.text())
	p.want(`,"type":"`)
	e.Type = interned(p.text())
	if p.has(`,"size":`) {
		e.Size = int64(p.number(63))
	}
	p.want(`,"mtime":"`)
	if at := p.text(); p.ok {
		p.ok = e.ModTime.UnmarshalText(at) == nil
	}
	p.want(`,"mode":"`)
	e.Mode = interned(p.text())
	if p.has(`,"uid":`) {
		e.UID = uint32(p.number(32))
	}
	if p.has(`,"gid":`) {
		e.GID = uint32(p.number(32))
	}
	if p.has(`,"target":"`) {
		e.Target = string(p.text())
	}
	e.Attrs = p.has(`,"attrs":true`)
	p.want(`}`)
	return p.ok && len(p.rest) == 0
}

// interned are the strings that nearly all entries share.
func interned(b []byte) string {
	switch string(b) { // which copies nothing
	case File:
		return File
	case Directory:
		return Directory
	case Symlink:
		return Symlink
	case "0644":
		return "0644"
	case "0755":
		return "0755"
	case "0600":
		return "0600"
	case "0777":
		return "0777"
	}
	return string(b)
}

// A parser takes a line from its front. After the first thing that is not as it should be, ok is false.
type parser struct {
	rest []byte
	ok   bool
}

// has takes text if it comes next, and tells whether it did.
func (p *parser) has(text string) bool {
	if len(p.rest) < len(text) || string(p.rest[:len(text)]) != text {
		return false
	}
	p.rest = p.rest[len(text):]
	return true
}

func (p *parser) want(text string) { p.ok = p.has(text) && p.ok }

// text takes the rest of a string and the quote behind it, if there is nothing in it that JSON escapes.
func (p *parser) text() []byte {
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 {
		p.ok = false
		return nil
	}
	b := p.rest[:end]
	ascii := true
	for _, c := range b {
		if c < ' ' || c == '\\' {
			p.ok = false
			return nil
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	p.ok = p.ok && (ascii || utf8.Valid(b))
	p.rest = p.rest[end+1:]
	return b
}

// number takes a number without sign and fraction of at most so many bits.
func (p *parser) number(bits int) (n uint64) {
	end := 0
	for ; end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9'; end++ {
		n = 10*n + uint64(p.rest[end]-'0')
		if n >= 1<<bits || end == maxDigits {
			p.ok = false
			return 0
		}
	}
	if end == 0 || end > 1 && p.rest[0] == '0' { // which JSON does not have
		p.ok = false
	}
	p.rest = p.rest[end:]
	return n
}

// maxDigits is one less than those of 2^64, so that no number of more overflows unseen.
const maxDigits = 19
