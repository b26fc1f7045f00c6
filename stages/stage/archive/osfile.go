package archive

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
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
	if err := fsys.Fstat(int(f.Fd()), &st); err != nil {
		return state{}, fmt.Errorf("fstat: %w", err)
	}
	return state{st.Size, time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix())}, nil
}

func (f osFile) Xattrs(scratch []byte) (map[string][]byte, error) {
	return fsys.Fxattrs(int(f.Fd()), scratch)
}
