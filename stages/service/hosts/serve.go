package hosts

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// serve answers what is asked. Who asks for another run, or which one there is, is told this one.
func (c *Coordinator) serve(message []byte) []byte {
	h, _, rest, err := readHeader(message)
	var reply []byte
	switch {
	case err != nil:
	case c.isOver() && h.Kind != kindStatus: // who wants to join waits for the next run
		return nil
	case h.Kind == kindOther:
		c.other(h.KeyID, rest)
		reply, err = c.seal.seal(kindRun, h.Slot, struct{}{}, nil)
	case h.Kind == kindSeek || h.Run != c.seal.run:
		reply, err = c.seal.seal(kindRun, h.Slot, struct{}{}, nil)
	case h.Kind == kindHello:
		var said helloSaid
		if _, _, err = c.seal.open(kindHello, message, &said); err == nil {
			reply, err = c.welcome(h.Slot, said)
		}
	case h.Kind == kindAlive:
		var said aliveSaid
		if _, _, err = c.seal.open(kindAlive, message, &said); err == nil {
			yes, more := c.wants(said)
			reply, err = c.seal.seal(kindYes, h.Slot, yes, more)
		}
	case h.Kind == kindStatus:
		if _, _, err = c.seal.open(kindStatus, message, &struct{}{}); err == nil {
			reply, err = c.sealStatus(h.Slot)
		}
	default:
		err = errForged
	}
	if err != nil {
		c.refuse(err)
		return nil
	}
	return reply
}

func (c *Coordinator) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over != nil
}

// welcome replies to a worker that asks to work. The zero value asks for nobody.
func (c *Coordinator) welcome(nonce string, said helloSaid) ([]byte, error) {
	reply := welcomeSaid{Operation: c.o.Operation}
	if said.Member != "" {
		if err := c.enter(said); err != nil {
			reply.Refused = brief(err.Error())
		}
	}
	return c.seal.seal(kindWelcome, nonce, reply, c.settings)
}

// enter lets a worker in, or says why not.
func (c *Coordinator) enter(said helloSaid) error {
	now := time.Now()
	c.mu.Lock()
	m := c.members[said.Member]
	full := len(c.members) >= maxHosts
	c.mu.Unlock()
	switch {
	case m != nil: // it did not hear the reply, or somebody sends its words again
		return nil
	case full:
		return fmt.Errorf("%d workers have joined already", maxHosts)
	}
	if err := c.fits(said.Hello); err != nil {
		c.warnOnce("refused "+said.Host, fmt.Sprintf("the worker %s was refused: %v", said.Host, err))
		return err
	}
	if off := said.Time.Sub(now); off.Abs() > apart {
		c.warnOnce("clock "+said.Host, fmt.Sprintf("the clock of %s differs from this one by %v", said.Host, off.Abs().Round(time.Second)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m = &member{host: said.Host, heard: now}
	c.members[said.Member] = m
	c.change()
	return nil
}

// other warns of a worker that says it has another key file. It can't seal that, so nothing proves it, and
// somebody else may say it: a few key ids are told, each once.
func (c *Coordinator) other(keyID string, host []byte) {
	own := c.seal.keyID
	digest := strings.LastIndexByte(own, '-') + 1
	if len(keyID) != len(own) || keyID[:digest] != own[:digest] || keyID == own || len(host) > maxField {
		return
	}
	if _, err := hex.DecodeString(keyID[digest:]); err != nil {
		return
	}
	of := "other " + keyID
	if !c.warned[of] && c.others < maxOthers {
		c.others++
		c.warnOnce(of, fmt.Sprintf("a worker that calls itself %q was refused: it has another key file, whose key id is %s, and that of the run is %s", host, keyID, own))
	}
}

// warnOnce warns once of something. Only serve calls it.
func (c *Coordinator) warnOnce(of, text string) {
	if !c.warned[of] && len(c.warned) < maxWarned {
		c.warned[of] = true
		c.warn(text)
	}
}

func (c *Coordinator) fits(h Hello) error {
	if h.Firn != c.o.Firn {
		return fmt.Errorf("it is firn %s, and the coordinator is firn %s", h.Firn, c.o.Firn)
	}
	if c.o.Fits != nil {
		return c.o.Fits(h)
	}
	return nil
}
