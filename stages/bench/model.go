package bench

import (
	"fmt"
	"math"
	"slices"

	"firn/stages/stage/sample"
)

// What can be the limit of a backup, in a Projection.
const (
	LimitRead      = "read"
	LimitWorkers   = "workers" // that compress
	LimitProcessor = "processor"
	LimitUpload    = "upload"
)

// A Projection is what follows from the measurements for a change of one thing. Nothing in it was
// measured.
type Projection struct {
	Change string       `json:"change"` // "" is none
	Rate   sample.Range `json:"rate"`   // bytes of tar a second
	Faster float64      `json:"faster"` // than without the change: 0.61 is 61 % faster
	Limit  string       `json:"limit"`
	Hours  sample.Range `json:"hours"`  // for the bytes that were asked for
	Stored sample.Range `json:"stored"` // bytes, of them
}

// A Forecast is what follows from a Result.
type Forecast struct {
	Bytes int64 `json:"bytes"` // of regular files, that it is for
	// Parts is what the whole pipeline is to take by its measured parts, over what it was measured to
	// take: 1 if nothing is unexplained. All projections are corrected by it.
	Parts float64      `json:"parts"`
	Cases []Projection `json:"cases"` // the first is of no change
}

// Project says what follows from the measurements for so many bytes of regular files that are like
// those of the tree, 0 for those of the tree. It needs a backup that was measured.
func (r *Result) Project(bytes int64) (*Forecast, bool) {
	m, ok := r.model()
	if !ok {
		return nil, false
	}
	if bytes == 0 {
		bytes = r.Tree.Bytes
	}
	o := &Forecast{Bytes: bytes, Parts: 1 / m.correction}
	base := m.now()
	tar := float64(bytes) * float64(r.Tree.Tar) / float64(max(r.Tree.Bytes, 1))
	for _, c := range m.changes(r) {
		o.Cases = append(o.Cases, m.project(c, m.rate(base).rate, tar))
	}
	return o, true
}

// A setup is one way to run the backup.
type setup struct {
	name    string
	codec   Codec
	workers int
	cores   float64      // times those of this machine
	link    sample.Range // bytes of objects a second; Count 0: not known
}

// A model is the cost of each byte in each part, as measured.
type model struct {
	settings Settings
	codec    Codec
	scaling  []Scaled
	cores    int
	read     sample.Range
	fixed    float64 // seconds of a core for each byte of tar, beside compression and what follows it
	stored   float64 // for each byte of an archive
	measured sample.Range
	ratio    float64      // of the archives of the measured backup
	link     sample.Range // of what is uploaded

	correction float64 // the measured rate over that of the parts
}

func (r *Result) model() (*model, bool) {
	if r.Backup == nil || len(r.Scaling) == 0 || r.Backup.Rate.Value <= 0 {
		return nil, false
	}
	m := &model{
		settings: r.Settings, scaling: r.Scaling, cores: r.Cores, read: r.Read.Rate, measured: r.Backup.Rate, ratio: r.Backup.Ratio, correction: 1,
	}
	i := slices.IndexFunc(r.Codecs, func(c Codec) bool {
		return c.Library == "" && c.Name == r.Settings.Algorithm && c.Level == r.Settings.Level
	})
	if i < 0 {
		return nil, false
	}
	m.codec = r.Codecs[i]
	for _, s := range r.Sums {
		if s.Name != SumTar && s.Rate.Value > 0 {
			m.stored += 1 / s.Rate.Value
		}
	}
	if m.ratio <= 0 || m.codec.Rate.Value <= 0 {
		return nil, false
	}
	m.fixed = max(r.Backup.CPU-m.cost(m.codec)-m.stored/m.ratio, 0)
	if r.Upload != nil {
		m.link = best(r.Upload.By).Rate
	}
	m.correction = m.measured.Value / m.machine(m.now())
	return m, true
}

// now is the setup that was measured.
func (m *model) now() setup {
	return setup{codec: m.codec, workers: m.settings.Compress, cores: 1, link: m.link}
}

// together is the rate at which n workers compress, as measured up to the number of cores; no more of
// them are faster.
func (m *model) together(n int) float64 {
	last := m.scaling[0]
	for _, s := range m.scaling[1:] {
		if n <= s.Workers {
			share := float64(max(n-last.Workers, 0)) / float64(s.Workers-last.Workers)
			return last.Rate.Value + share*(s.Rate.Value-last.Rate.Value)
		}
		last = s
	}
	return last.Rate.Value
}

// bounds are what each part allows, in bytes of tar a second. All cores compress at a rate that was
// measured; what else is to be computed for each byte takes its share of it.
func (m *model) bounds(s setup) map[string]float64 {
	all := m.together(m.cores) * s.cores
	workers := min(m.together(m.cores)*float64(s.workers)/float64(m.cores), all)
	if s.cores == 1 {
		workers = m.together(s.workers)
	}
	share := m.cost(m.codec) / (m.cost(s.codec) + m.fixed + m.stored/m.ratioOf(s.codec))
	b := map[string]float64{
		LimitWorkers:   workers / s.codec.Cost.Value,
		LimitProcessor: all * share,
	}
	if m.read.Value > 0 {
		b[LimitRead] = m.read.Value
	}
	return b
}

// cost is the seconds of a core for each byte of tar that a codec compresses.
func (m *model) cost(c Codec) float64 { return c.Cost.Value / m.codec.Rate.Value }

// machine is the rate without a link, by the parts alone.
func (m *model) machine(s setup) float64 {
	least := math.Inf(1)
	for _, rate := range m.bounds(s) {
		least = min(least, rate)
	}
	return least
}

type outcome struct {
	rate   float64
	limit  string
	spread float64 // half of the range, as a share of the rate
}

// rate is that of a setup, and what limits it.
func (m *model) rate(s setup) outcome {
	o := outcome{rate: math.Inf(1)}
	for _, name := range []string{LimitProcessor, LimitWorkers, LimitRead} {
		if rate, ok := m.bounds(s)[name]; ok && rate*m.correction < o.rate {
			o.rate, o.limit = rate*m.correction, name
		}
	}
	o.spread = half(m.measured)
	o.spread = math.Hypot(o.spread, half(s.codec.Cost))
	if s.link.Count > 0 {
		if rate := s.link.Value * m.ratioOf(s.codec); rate < o.rate {
			o = outcome{rate, LimitUpload, math.Hypot(half(s.link), half(s.codec.Size))}
		}
	}
	return o
}

// ratioOf is what a codec makes of the tree: what the measured backup's made of more of it than a
// sample, and what that of the codec was over it on the sample.
func (m *model) ratioOf(c Codec) float64 { return m.ratio / c.Size.Value }

// half is half of a range, as a share of its value.
func half(r sample.Range) float64 {
	if r.Value <= 0 {
		return 0
	}
	return max(r.High-r.Value, r.Value-r.Low) / r.Value
}

func (m *model) project(s setup, before, tar float64) Projection {
	o, ratio := m.rate(s), m.ratioOf(s.codec)
	about := func(v, spread float64) sample.Range {
		return sample.Range{Value: v, Low: v / (1 + spread), High: v * (1 + spread), Count: 1}
	}
	return Projection{
		Change: s.name, Limit: o.limit, Faster: o.rate/before - 1,
		Rate: about(o.rate, o.spread), Hours: about(tar/o.rate/3600, o.spread), Stored: about(tar/ratio, half(s.codec.Size)),
	}
}

// changes are the setups that are projected: what was measured, other numbers of workers, other cores,
// other codecs, other numbers of connections.
func (m *model) changes(r *Result) []setup {
	all := []setup{m.now()}
	add := func(name string, change func(*setup)) {
		s := m.now()
		s.name = name
		change(&s)
		all = append(all, s)
	}
	for _, n := range workersToTry(m.settings.Compress, m.cores) {
		add(many(n, "compress worker"), func(s *setup) { s.workers = n })
	}
	add(fmt.Sprintf("%d cores, %d workers", 2*m.cores, 2*m.cores), func(s *setup) { s.cores, s.workers = 2, 2*m.cores })
	for _, c := range r.Codecs {
		if c.Library == "" && c != m.codec && c.Cost.Value > 0 && c.Size.Value > 0 {
			add(fmt.Sprintf("%s -%d", c.Name, c.Level), func(s *setup) { s.codec = c })
		}
	}
	if r.Upload != nil {
		for _, by := range r.Upload.By {
			if by.Rate != m.link {
				add(many(by.Workers, "upload worker"), func(s *setup) { s.link = by.Rate })
			}
		}
	}
	return all
}

func many(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// workersToTry are other numbers of workers than now: half as many, twice as many, and one for each
// core.
func workersToTry(now, cores int) (all []int) {
	for _, n := range []int{now / 2, cores, 2 * now} {
		if n > 0 && n != now && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}
