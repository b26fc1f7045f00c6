package state

import (
	"encoding/binary"
	"time"
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
