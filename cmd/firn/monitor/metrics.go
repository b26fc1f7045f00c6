package monitor

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firn/pipeline"
	"firn/stages/service/report"
	"firn/stages/store/awsconf"
)

// A family is the metrics of one name. docs/reference/metrics.md is generated from families.
type family struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string // beside those of all families
	emit       func(s *state, value func(v float64, labels ...string))
}

// A state is a run at one moment.
type state struct {
	*Monitor
	now    time.Time
	past   past
	active bool
	report.Progress
}

// Names that are told without a run, too.
const (
	buildName  = "firn_build_info"
	activeName = "firn_run_active"
)

// Names that are read again from the file by the next run.
const (
	successName  = "firn_last_success_timestamp_seconds"
	codeName     = "firn_last_run_exit_code"
	endName      = "firn_last_run_end_timestamp_seconds"
	durationName = "firn_last_run_duration_seconds"
)

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// families are all metrics, in the order in which the documents list them.
func families() []family {
	return []family{
		{successName, "when the last run ended in which everything was done (exit code 0); 0: never", gauge, nil,
			func(s *state, value emitter) { value(seconds(s.past.success)) }},
		{codeName, "exit code of the last run that ended", gauge, nil, ofLast(func(p past) float64 { return float64(p.code) })},
		{endName, "when it ended", gauge, nil, ofLast(func(p past) float64 { return seconds(p.end) })},
		{durationName, "how long it took", gauge, nil, ofLast(func(p past) float64 { return p.duration.Seconds() })},
		{buildName, "1; the label has the version of firn", gauge, []string{"version"},
			func(s *state, value emitter) { value(1, s.o.Version) }},
		{activeName, "1 while a run is under way, 0 once it has ended; a run that was killed leaves 1", gauge, nil,
			func(s *state, value emitter) { value(float(s.active)) }},
		{"firn_run_start_timestamp_seconds", "when the run began", gauge, nil, func(s *state, value emitter) { value(seconds(s.began)) }},
		{"firn_updated_timestamp_seconds", "when these metrics were read; a file is written every minute while a run is under way", gauge, nil,
			func(s *state, value emitter) { value(seconds(s.now)) }},

		{"firn_warnings_total", "warnings that were printed", counter, nil,
			func(s *state, value emitter) { value(float64(s.warnings.Load())) }},
		{"firn_catalogue_faults_total", "parts of the catalogue that could not be written or read, or are damaged", counter, nil,
			func(s *state, value emitter) {
				value(float64(s.o.Totals.CatalogueFaults.Load() + s.o.Totals.Checks.Catalogue.Load()))
			}},
		{"firn_archives_found_total", "archives, or subtrees that become one, that were found so far", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.Subtrees.Load())) }},
		{"firn_archives_total", "archives that are done with, by result; those of each command are listed below", counter, []string{"result"}, results},
		{"firn_entries_total", "files, directories and other entries in what was found", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.Entries.Load())) }},
		{"firn_entry_faults_total", "entries, by kind: not_whole (not saved or restored, or only in part), changed (while they were read), skipped (sockets)", counter, []string{"kind"},
			func(s *state, value emitter) {
				t := s.o.Totals
				value(float64(t.Faults.Load()), "not_whole")
				value(float64(t.Changed.Load()), "changed")
				value(float64(t.LeftOut.Load()), "skipped")
			}},
		{"firn_source_found_bytes_total", "bytes of files to save, or of archives to read, that were found so far", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.Bytes.Load())) }},
		{"firn_source_done_bytes_total", "bytes of files in the archives that are done with", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.DoneBytes.Load())) }},
		{"firn_stored_bytes_total", "bytes of the objects that were stored", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.Stored.Load())) }},
		{"firn_resumed_uploads_total", "uploads of an earlier run, or of another worker, that were taken up", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.UploadsResumed.Load())) }},
		{"firn_resumed_bytes_total", "bytes of them that were not sent again", counter, nil,
			func(s *state, value emitter) { value(float64(s.o.Totals.SparedBytes.Load())) }},

		{"firn_requests_total", "requests, each try counted, by what was answered: status is that of HTTP, or none", counter, []string{"service", "operation", "status"}, requests},
		{"firn_request_retries_total", "of them those that were sent again", counter, []string{"service", "operation"}, retries},
		{"firn_outage_seconds", "for how long nothing has got through to a service; missing while there is no outage", gauge, []string{"service"},
			outages},

		{"firn_budget_used_bytes", "bytes in use: memory (blocks and parts in flight) or spool (archives in the cache path)", gauge, []string{"budget"},
			func(s *state, value emitter) {
				value(float64(s.MemoryUsed), "memory")
				value(float64(s.SpoolUsed), "spool")
			}},
		{"firn_budget_limit_bytes", "most bytes that may be in use", gauge, []string{"budget"},
			func(s *state, value emitter) {
				value(float64(s.MemoryLimit), "memory")
				value(float64(s.SpoolLimit), "spool")
			}},

		ofQueue("firn_hosts", "of a run on many hosts: workers that work now", gauge, func(s *state) int64 { return int64(len(s.Hosts)) }),
		ofQueue("firn_hosts_joined_total", "workers that took part, without those that were refused or failed their own checks", counter, func(s *state) int64 { return s.Queue.Joined }),
		ofQueue("firn_queue_retried_total", "archives that were handed out more than once", counter, func(s *state) int64 { return s.Queue.Retried }),
		ofQueue("firn_queue_twice_total", "archives that were done more than once; one answer counts", counter, func(s *state) int64 { return s.Queue.Twice }),
		ofQueue("firn_queue_exhausted_total", "archives that no host ended", counter, func(s *state) int64 { return s.Queue.Exhausted }),
		ofQueue("firn_queue_forged_total", "messages in the queue that nobody with the key file has sent", counter, func(s *state) int64 { return s.Queue.Forged }),
		ofHosts("firn_host_in_work", "archives that a worker holds", gauge, func(h *report.Host) float64 { return float64(h.Work) }),
		ofHosts("firn_host_archives_total", "archives that it is done with", counter, func(h *report.Host) float64 { return float64(h.Done) }),
		ofHosts("firn_host_failures_total", "of them those that failed", counter, func(h *report.Host) float64 { return float64(h.Failed) }),
		ofHosts("firn_host_read_bytes_total", "bytes of files that it has read", counter, func(h *report.Host) float64 { return float64(h.Read) }),
		ofHosts("firn_host_moved_bytes_total", "bytes of objects that have left it for the store, or come from it", counter, func(h *report.Host) float64 { return float64(h.Sent) }),
		ofHosts("firn_host_silent_seconds", "since it was heard last", gauge, func(h *report.Host) float64 { return h.Silent.Seconds() }),

		ofStages("firn_stage_workers", "workers of a stage", gauge, func(c pipeline.Counters) float64 { return float64(c.Workers) }),
		ofStages("firn_stage_busy_seconds_total", "time that its workers worked, added up", counter, func(c pipeline.Counters) float64 { return c.Busy.Seconds() }),
		ofStages("firn_stage_starved_seconds_total", "time that its workers waited for input, added up", counter, func(c pipeline.Counters) float64 { return c.Starved.Seconds() }),
		ofStages("firn_stage_blocked_seconds_total", "time that its workers waited for the next stage or for a budget, added up", counter, func(c pipeline.Counters) float64 { return c.Blocked.Seconds() }),
		ofStages("firn_stage_queue_items", "items that a stage has taken and not passed on", gauge, func(c pipeline.Counters) float64 { return float64(c.InFlight) }),
		ofStages("firn_stage_input_items_total", "items taken", counter, func(c pipeline.Counters) float64 { return float64(c.ItemsIn) }),
		ofStages("firn_stage_output_items_total", "items passed on", counter, func(c pipeline.Counters) float64 { return float64(c.ItemsOut) }),
		ofStages("firn_stage_input_bytes_total", "bytes taken", counter, func(c pipeline.Counters) float64 { return float64(c.BytesIn) }),
		ofStages("firn_stage_output_bytes_total", "bytes passed on", counter, func(c pipeline.Counters) float64 { return float64(c.BytesOut) }),
		ofStages("firn_stage_failures_total", "items that failed", counter, func(c pipeline.Counters) float64 { return float64(c.Failed) }),
	}
}

type emitter = func(v float64, labels ...string)

// ofLast is of the last run, if one has ended.
func ofLast(of func(past) float64) func(*state, emitter) {
	return func(s *state, value emitter) {
		if s.past.any {
			value(of(s.past))
		}
	}
}

func ofStages(name, help string, kind prometheus.ValueType, of func(pipeline.Counters) float64) family {
	return family{name, help, kind, []string{"stage"}, func(s *state, value emitter) {
		for _, c := range s.Stages {
			value(of(c), c.Stage)
		}
	}}
}

// ofQueue is of a run on many hosts.
func ofQueue(name, help string, kind prometheus.ValueType, of func(*state) int64) family {
	return family{name, help, kind, nil, func(s *state, value emitter) {
		if s.Queue != nil {
			value(float64(of(s)))
		}
	}}
}

// ofHosts is of each worker of such a run.
func ofHosts(name, help string, kind prometheus.ValueType, of func(*report.Host) float64) family {
	return family{name, help, kind, []string{"host"}, func(s *state, value emitter) {
		for i := range s.Hosts {
			value(of(&s.Hosts[i]), strings.ToValidUTF8(s.Hosts[i].Name, "\uFFFD"))
		}
	}}
}

// A result is one of an archive, and its counter.
type result struct {
	name, help string
	n          func(*report.Totals) int64
}

// resultsOf are the results that archives of a command can have.
func resultsOf(command string) []result {
	saved := result{"saved", "it was stored", func(t *report.Totals) int64 { return t.Saved.Load() }}
	identical := result{"identical", "it was read, and the store already holds its content", func(t *report.Totals) int64 { return t.Identical.Load() }}
	restored := result{"restored", "it was verified and extracted", func(t *report.Totals) int64 { return t.Restored.Load() }}
	intact := result{"intact", "the target already has it", func(t *report.Totals) int64 { return t.Intact.Load() }}
	verified := result{"verified", "it is intact, as far as it was checked", func(t *report.Totals) int64 { return t.Checks.Verified.Load() }}
	damaged := result{"damaged", "it is not what was saved", func(t *report.Totals) int64 { return t.Checks.Damaged.Load() }}
	unproven := result{"unproven", "nothing proves who made it", func(t *report.Totals) int64 { return t.Unproven.Load() }}
	failed := result{"failed", "it failed", func(t *report.Totals) int64 { return t.Failed.Load() }}
	switch command {
	case "backup":
		return []result{
			saved,
			{"unchanged", "it was skipped without reading it", func(t *report.Totals) int64 { return t.Unchanged.Load() }},
			identical, failed,
		}
	case "restore":
		return []result{
			restored, intact,
			{"cold", "it must be thawed first", func(t *report.Totals) int64 { return t.Cold.Load() }},
			unproven, failed,
		}
	case "verify":
		return []result{
			verified,
			{"not_read", "it is cold, and intact but for its content", func(t *report.Totals) int64 { return t.Checks.NotRead.Load() }},
			{"adopted", "its own metadata alone vouch for it", func(t *report.Totals) int64 { return t.Adopted.Load() }},
			{"replaced", "a newer archive took its place", func(t *report.Totals) int64 { return t.Checks.Replaced.Load() }},
			{"other_key", "it was made with another key file", func(t *report.Totals) int64 { return t.Checks.OtherKey.Load() }},
			{"unknown", "no run lists it", func(t *report.Totals) int64 { return t.Checks.Unknown.Load() }},
			damaged,
			{"lost", "of the damaged ones, no other version is known", func(t *report.Totals) int64 { return t.Checks.Lost.Load() }},
			unproven, failed,
		}
	case "worker": // of any of them; what becomes of all of it is the coordinator's to say
		return []result{saved, identical, restored, intact, verified, damaged, failed}
	}
	return nil
}

func results(s *state, value emitter) {
	for _, r := range resultsOf(s.o.Command) {
		value(float64(r.n(s.o.Totals)), r.name)
	}
}

// none is the status of a request without an answer.
const none = "none"

func requests(s *state, value emitter) {
	sums := map[awsconf.Answer]int64{}
	for a, n := range s.o.Tally.All() {
		a.Again = false
		sums[a] += n
	}
	for a, n := range sums {
		status := none
		if a.Status != 0 {
			status = strconv.Itoa(a.Status)
		}
		value(float64(n), a.Service, a.Operation, status)
	}
}

func retries(s *state, value emitter) {
	sums := map[[2]string]int64{}
	for a, n := range s.o.Tally.All() {
		of := [2]string{a.Service, a.Operation}
		if !a.Again {
			n = 0 // so that the series is there before the first retry
		}
		sums[of] += n
	}
	for of, n := range sums {
		value(float64(n), of[0], of[1])
	}
}

func outages(s *state, value emitter) {
	longest := map[string]time.Duration{} // a service may ask for fewer requests, and then not answer
	for _, o := range s.o.Totals.Outages.Last() {
		longest[o.Service] = max(longest[o.Service], s.now.Sub(o.Since))
	}
	for service, d := range longest {
		if s.active {
			value(d.Seconds(), service)
		}
	}
}

// collector reads the state when it is asked.
type collector struct {
	m     *Monitor
	all   []family
	descs []*prometheus.Desc
}

func newCollector(m *Monitor, chosen func(family) bool) *collector {
	c := &collector{m: m, all: slices.DeleteFunc(families(), func(f family) bool { return !chosen(f) })}
	for _, f := range c.all {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, f.labels, m.labels()))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.m.state()
	for i, f := range c.all {
		f.emit(s, func(v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(c.descs[i], f.kind, v, labels...)
		})
	}
}

func (m *Monitor) state() *state {
	m.mu.Lock()
	s := &state{Monitor: m, now: m.o.now(), past: m.past, active: !m.ended}
	m.mu.Unlock()
	if progress := m.progress.Load(); progress != nil {
		s.Progress = (*progress)()
	}
	return s
}

// seconds is a time as Prometheus writes it; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func float(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
