package job

import (
	"firn/pipeline"
	"firn/stages/service/report"
)

// Bounds of the workers of stages that wait for a server, where their number is found.
const (
	firstConnections = 8
	mostConnections  = 128 // parts or ranges
	firstLookups     = 16
	// MostLookups is how many workers ask a store or a table at most.
	MostLookups = 64
	// mostFetched is how many archives are fetched at once at most: each has a buffer of 1 MiB.
	mostFetched = 32

	// Connections is how many requests there are at once at most, where their number is found.
	Connections = mostConnections + MostLookups
)

// Moving adds a stage that sends parts or fetches ranges. With 0 workers their number is found.
func (j *Job) Moving(name string, workers int) *pipeline.Stage {
	if workers > 0 {
		return j.Run.Stage(name, workers)
	}
	return j.tuned(name, firstConnections, mostConnections, j.Throttle)
}

// Asking adds a stage that asks a store or a table. The number of its workers is found.
func (j *Job) Asking(name string) *pipeline.Stage {
	return j.tuned(name, firstLookups, MostLookups, j.Throttle, j.TableThrottle)
}

// Reading adds the stages that fetch ranges and that fetch and decrypt archives: where small
// archives wait for round trips, many of them are fetched at once.
func (j *Job) Reading(w Workers) (fetch, decrypt *pipeline.Stage) {
	fetch = j.Moving(report.StageFetch, w.Fetch)
	if w.Fetch > 0 {
		return fetch, j.Run.Stage(report.StageDecrypt, w.Decrypt).TakesNew()
	}
	return fetch, j.tuned(report.StageDecrypt, w.Decrypt, max(w.Decrypt, mostFetched), j.Throttle).TakesNew()
}

func (j *Job) tuned(name string, first, most int, throttles ...*pipeline.Throttle) *pipeline.Stage {
	return j.Run.TunedStage(name, pipeline.Tuning{First: first, Most: most, Throttles: throttles})
}

// Where the number of connections is found, the memory limit bounds how many parts or ranges are in
// flight: those of a few fill most links, and small ones need little.
const (
	mostInFlight  = 32
	leastInFlight = 8
	bytesInFlight = 256 << 20
)

// InFlight is for how many parts or ranges of size bytes there is memory by default: for as many as
// there are workers; if their number is found, for those that take an eighth of the machine's
// memory, of which half is given, from 8 to 32 that take at most 256 MiB.
func InFlight(workers int, size, half int64) int64 {
	if workers > 0 {
		return int64(workers)
	}
	return min(max(min(half/4, bytesInFlight)/size, leastInFlight), mostInFlight)
}
