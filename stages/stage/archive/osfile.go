package archive

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/stage/walk"
)

// osFiles is the file system itself.
type osFiles struct{}

func (osFiles) open(e *walk.Entry) (file, error) {
	f, err := e.Open()
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) xattrs(e *walk.Entry) (map[string][]byte, error) { return e.Xattrs() }

type osFile struct{ *os.File }

func (f osFile) State() (state, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(int(f.Fd()), &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return state{}, fmt.Errorf("fstat: %w", err)
		}
		return state{st.Size, time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix())}, nil
	}
}
