package codec

import (
	"errors"
	"fmt"
	"io"
)

// errClosed is the error of a Write after Close.
var errClosed = errors.New("codec: writer is closed")

// NewWriter returns a writer that compresses to w in the caller's goroutine. Close ends the file
// and does not close w. Errors are sticky.
func NewWriter(f Format, w io.Writer) io.WriteCloser {
	return &writer{f: f, w: w, cut: f.NewCut(), enc: f.NewEncoder(), join: f.NewJoiner()}
}

type writer struct {
	f    Format
	w    io.Writer
	cut  Cut
	enc  Encoder
	join Joiner
	buf  []byte // the window before the block, then the block so far
	win  int    // how much of buf is window
	data []byte // a piece's buffer
	out  []byte // what the joiner made of it
	err  error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.buf == nil {
		w.buf = make([]byte, 0, w.f.Window()+w.f.BlockSize())
	}
	n := 0
	for n < len(p) {
		k, full := w.cut.Scan(p[n:])
		w.buf = append(w.buf, p[n:n+k]...)
		n += k
		if full {
			if w.err = w.flush(); w.err != nil {
				return n, w.err
			}
		}
	}
	return n, nil
}

// flush encodes the current block and keeps its end as the next block's window.
func (w *writer) flush() error {
	p, err := w.enc.Encode(w.data[:0], w.buf[:w.win], w.buf[w.win:])
	if err != nil {
		return fmt.Errorf("compressing a block with %s: %w", w.f.Name(), err)
	}
	w.data = p.Data
	w.out = w.join.Join(w.out[:0], p)
	w.win = copy(w.buf, w.buf[max(0, len(w.buf)-w.f.Window()):])
	w.buf = w.buf[:w.win]
	return w.emit()
}

func (w *writer) emit() error {
	if _, err := w.w.Write(w.out); err != nil {
		return fmt.Errorf("writing %s data: %w", w.f.Name(), err)
	}
	return nil
}

func (w *writer) Close() error {
	if w.err != nil {
		if errors.Is(w.err, errClosed) {
			return nil
		}
		return w.err
	}
	if len(w.buf) > w.win {
		if w.err = w.flush(); w.err != nil {
			return w.err
		}
	}
	w.out = w.join.Close(w.out[:0])
	if w.err = w.emit(); w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}
