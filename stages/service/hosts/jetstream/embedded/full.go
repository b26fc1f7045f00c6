package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	needs = 1 << 20         // bytes that a disk that was full must have room for
	looks = time.Second / 2 // between two looks for them
)

// mend waits for what says that the disk is full. nats-server keeps nothing more in a stream that it
// could not write, until it is started again: that is done once there is room.
func (s *Server) mend() {
	defer close(s.mended)
	for {
		select {
		case <-s.log.full:
		case <-s.closing:
			return
		}
		s.log.tell(fmt.Errorf("the disk of its directory %s is full: it waits for room", s.o.StoreDir))
		for again := false; !again; {
			select {
			case <-time.After(looks):
			case <-s.closing:
				return
			}
			again = room(s.o.StoreDir) == nil && s.restart() == nil
		}
		s.log.tell(errors.New("there is room in its directory again: it goes on"))
	}
}

// restart puts another server in the place of the one that runs: it has the same port, and what that
// one kept.
func (s *Server) restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop(s.now)
	s.log.clear()
	next, err := start(s.o, s.log)
	if err == nil {
		s.now = next
	}
	return err
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// room looks whether a directory takes some bytes. The error does not name it.
func room(dir string) error {
	f, err := os.CreateTemp(dir, ".test-*")
	if err == nil {
		_, err = f.Write(make([]byte, needs))
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if failed, is := errors.AsType[*fs.PathError](err); is {
		return failed.Err
	}
	return err
}

// isFull reports whether one of the arguments of a line is the error of a full disk.
func isFull(args []any) bool {
	for _, a := range args {
		if err, is := a.(error); is && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
			return true
		}
	}
	return false
}
