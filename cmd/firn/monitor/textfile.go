package monitor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A textfile is a file of metrics that node_exporter reads at any moment: it is replaced as a whole,
// and has no timestamps.
type textfile struct {
	path string

	mu     sync.Mutex
	failed bool // when it was written last
}

// A FileError says that metrics could not be written to a file.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string {
	cause := e.Err
	if p, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = p.Err // it names a file beside Path
	}
	return fmt.Sprintf("metrics are not written to %q: %v", e.Path, cause)
}

func (e *FileError) Unwrap() error { return e.Err }

// write replaces the file. Of several failures in a row only the first is returned.
func (f *textfile) write(from prometheus.Gatherer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.replace(from)
	first := !f.failed
	f.failed = err != nil
	if err != nil && first {
		return &FileError{f.path, err}
	}
	return nil
}

func (f *textfile) replace(from prometheus.Gatherer) (err error) {
	all, err := from.Gather()
	if err != nil {
		return err
	}
	// node_exporter reads only files whose names end in .prom.
	beside, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(beside.Name())
		}
	}()
	for _, family := range all {
		if _, e := expfmt.MetricFamilyToText(beside, family); e != nil {
			err = errors.Join(err, e)
			break
		}
	}
	// Another user reads it; and a power cut must not leave an empty file, which knows no last success.
	if err = errors.Join(err, beside.Chmod(0o644), beside.Sync(), beside.Close()); err != nil {
		return err
	}
	return os.Rename(beside.Name(), f.path)
}

// mostRead bounds what is read of an earlier file, in bytes.
const mostRead = 4 << 20

// past is what the file says of earlier runs with the same labels: nothing if it is none of firn's.
func (f *textfile) past(labels prometheus.Labels) (p past) {
	file, err := os.Open(f.path)
	if err != nil {
		return p
	}
	defer file.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(io.LimitReader(file, mostRead))
	if err != nil {
		return p
	}
	value := func(name string) (v float64, ok bool) {
		for _, m := range all[name].GetMetric() {
			if maps.Equal(labelsOf(m), labels) && m.Gauge != nil && !math.IsNaN(*m.Gauge.Value) {
				return *m.Gauge.Value, true
			}
		}
		return 0, false
	}
	if v, _ := value(successName); v > 0 {
		p.success = moment(v)
	}
	code, ok := value(codeName)
	end, ok2 := value(endName)
	took, ok3 := value(durationName)
	if p.any = ok && ok2 && ok3; p.any {
		p.code, p.end, p.duration = int(code), moment(end), time.Duration(took*float64(time.Second))
	}
	return p
}

// labelsOf are the labels of a metric that are not empty.
func labelsOf(m *dto.Metric) prometheus.Labels {
	all := prometheus.Labels{}
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	return all
}

// moment is the reverse of seconds.
func moment(v float64) time.Time { return time.UnixMilli(int64(math.Round(v * 1000))) }
