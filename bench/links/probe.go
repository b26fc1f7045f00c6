package links

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"firn/bench/link"
)

const (
	// mostConnections is as many as firn uses for parts.
	mostConnections = 128
	// partSize is that of a large object's parts.
	partSize = 8 << 20
)

// probe returns how long the bytes of objects of these sizes need over a link at least: each object or
// part is sent to a server that reads it and answers a byte, over up to mostConnections connections.
func probe(o link.Options, sizes []int64) (time.Duration, error) {
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer sink.Close()
	go func() {
		for {
			c, err := sink.Accept()
			if err != nil {
				return
			}
			go swallow(c)
		}
	}()
	l, err := link.Start(sink.Addr().String(), o)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	parts := partsOf(sizes)
	work := make(chan int64, len(parts))
	for _, p := range parts {
		work <- p
	}
	close(work)
	connections := min(len(parts), mostConnections)
	errs := make([]error, connections)
	start := time.Now()
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() { errs[i] = send(l.Addr, work) })
	}
	all.Wait()
	return time.Since(start), errors.Join(errs...)
}

// partsOf cuts objects into parts.
func partsOf(sizes []int64) (parts []int64) {
	for _, size := range sizes {
		for ; size > partSize; size -= partSize {
			parts = append(parts, partSize)
		}
		parts = append(parts, size)
	}
	return parts
}

// send sends parts over one connection, one after the other, each after the answer to the one before.
func send(addr string, work <-chan int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	body := make([]byte, 1<<20)
	for size := range work {
		if err := binary.Write(c, binary.BigEndian, size); err != nil {
			return err
		}
		for ; size > 0; size -= int64(len(body)) {
			if _, err := c.Write(body[:min(size, int64(len(body)))]); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(c, body[:1]); err != nil {
			return err
		}
	}
	return nil
}

// swallow is the server.
func swallow(c net.Conn) {
	defer c.Close()
	for {
		var size int64
		if binary.Read(c, binary.BigEndian, &size) != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, size); err != nil {
			return
		}
		if _, err := c.Write([]byte{0}); err != nil {
			return
		}
	}
}
