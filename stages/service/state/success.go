package state

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"firn/stages/service/report"
)

// successName is the bucket of the ends of runs.
const successName = "\x00success"

// Success returns when a run of this name last did everything; zero if that is not known.
func (db *DB) Success(name string) time.Time {
	value := db.open(successName, name)
	if len(value) != 8 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(value)), 0)
}

// KeepSuccess notes that a run of this name did everything.
func (db *DB) KeepSuccess(name string, at time.Time) error {
	return db.seal(successName, name, binary.BigEndian.AppendUint64(nil, uint64(at.Unix())))
}

// pastName is the bucket of what runs did.
const pastName = "\x00past"

// Past returns what the last run of this name did that reached its end; nil if that is not known.
func (db *DB) Past(name string) *report.Past {
	var p report.Past
	if json.Unmarshal(db.open(pastName, name), &p) != nil || p.Duration <= 0 || min(p.Entries, p.Subtrees, p.Bytes, p.Read, p.Stored) < 0 {
		return nil
	}
	return &p
}

// KeepPast notes what a run of this name did that reached its end.
func (db *DB) KeepPast(name string, p report.Past) error {
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return db.seal(pastName, name, value)
}
