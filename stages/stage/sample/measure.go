package sample

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/format/codec"
)

// An Algorithm compresses pieces. It is not safe for concurrent use.
type Algorithm struct {
	compress func(p []byte) (out int64, err error)
	warm     bool
}

// Of returns a format as a backup uses it: its encoder is kept from one piece to the next.
func Of(f codec.Format) *Algorithm {
	var e codec.Encoder
	var buf, out []byte
	return &Algorithm{compress: func(p []byte) (int64, error) {
		if e == nil {
			e = f.NewEncoder()
		}
		var n int64
		cut, join, window := f.NewCut(), f.NewJoiner(), 0
		for at := 0; at < len(p); {
			size, _ := cut.Scan(p[at:])
			piece, err := e.Encode(buf[:0], p[window:at], p[at:at+size])
			if err != nil {
				return 0, err
			}
			at += size
			window = max(0, at-f.Window())
			buf = piece.Data
			out = join.Join(out[:0], piece)
			n += int64(len(out))
		}
		return n + int64(len(join.Close(out[:0]))), nil
	}}
}

// Writer returns what a library's writer does. It is kept from one piece to the next if it has a
// method Reset; else open is called for each.
func Writer(open func(io.Writer) (io.WriteCloser, error)) *Algorithm {
	var w io.WriteCloser
	return &Algorithm{compress: func(p []byte) (int64, error) {
		var out counter
		var err error
		switch r := w.(type) {
		case interface{ Reset(io.Writer) }:
			r.Reset(&out)
		case interface{ Reset(io.Writer) error }:
			err = r.Reset(&out)
		default:
			w, err = open(&out)
		}
		if err == nil {
			_, err = w.Write(p)
		}
		if err == nil {
			err = w.Close()
		}
		return int64(out), err
	}}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// A Trial is what one algorithm did with one piece.
type Trial struct {
	In, Out int64         // bytes
	CPU     time.Duration // of all the process's threads, the system's time included
}

// warmUp is how much is compressed before the first trial, so that no trial pays for memory that is
// touched for the first time.
const warmUp = 128 << 10

// Try compresses a piece. Nothing else of this process may compute meanwhile: its time would count.
func (a *Algorithm) Try(p []byte) (Trial, error) {
	if len(p) == 0 {
		return Trial{}, errors.New("compressing a piece: it is empty")
	}
	if !a.warm {
		a.warm = true
		if _, err := a.compress(p[:min(len(p), warmUp)]); err != nil {
			return Trial{}, fmt.Errorf("compressing a piece: %w", err)
		}
	}
	before := CPU()
	out, err := a.compress(p)
	if err != nil {
		return Trial{}, fmt.Errorf("compressing a piece: %w", err)
	}
	return Trial{In: int64(len(p)), Out: out, CPU: CPU() - before}, nil
}

// CPU is the time that this process has computed, on all processors, the system's time for it
// included.
func CPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0 // getrusage(2) fails for a wrong argument only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Trials are those of one algorithm.
type Trials []Trial

// Rate returns the bytes of input per second of one core.
func (ts Trials) Rate() Range {
	return ts.each(func(t Trial) (float64, float64) { return t.CPU.Seconds(), float64(t.In) }).inverse()
}

// Ratio returns the bytes of input per byte of output.
func (ts Trials) Ratio() Range {
	return ts.each(func(t Trial) (float64, float64) { return float64(t.Out), float64(t.In) }).inverse()
}

// each is the range of a cost per byte of input: of what is summed up over all bytes, not of what its
// inverse is.
func (ts Trials) each(of func(Trial) (cost, in float64)) Range {
	values := make([]float64, 0, len(ts))
	for _, t := range ts {
		cost, in := of(t)
		values = append(values, cost/in)
	}
	return Spread(values)
}
