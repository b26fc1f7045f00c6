package report

import (
	"time"

	"firn/stages/store"
)

// Kind says what an event is about. Its text is the event's name in JSON.
type Kind string

// The kinds of events. The first are of any operation.
const (
	Notice  Kind = "notice"  // information for the user; nothing is wrong
	Warning Kind = "warning" // something the user should look at; nothing is lost
	Failed  Kind = "failed"  // one subtree or archive failed; the run goes on

	OutageLasts Kind = "outage"      // a service is not reached; told again at each try
	OutageOver  Kind = "outage-over" // it is reached again

	NoCatalogue Kind = "catalogue-fault" // a backup could not write to the catalogue, or a restore not read a part of it

	// Of a backup; Entry also of a restore.
	Saved     Kind = "saved"         // an archive was uploaded
	Unchanged Kind = "unchanged"     // a subtree was skipped without reading it
	Identical Kind = "identical"     // an archive was made, and the store already holds its content
	WouldSave Kind = "would-save"    // in a dry run: a subtree that is not skipped
	Entry     Kind = "entry-fault"   // an entry was not saved or restored, or only a part of it
	Changed   Kind = "entry-changed" // an entry changed while it was read; it is stored as read
	Left      Kind = "entry-skipped" // an entry that no archive can hold: a socket

	// Of a restore.
	Restored     Kind = "restored" // an archive was verified and extracted
	Intact       Kind = "intact"   // the target already has what is asked for; the archive was not fetched
	WouldRestore Kind = "would-restore"

	Cold      Kind = "cold"          // an archive must be thawed before it can be read, and was skipped
	ThawAsked Kind = "thaw-asked"    // its thaw was requested
	Thawing   Kind = "thawing"       // its thaw was requested earlier, and is not finished
	Thawed    Kind = "thawed"        // the run waited for it, and it can be read now
	Estimate  Kind = "thaw-estimate" // cost and time to thaw all cold archives of one class in one tier
	AskedSum  Kind = "thaw-sum"      // what was requested, of one class
	Waiting   Kind = "thaw-waiting"  // nothing can be done until the next look at the thawing archives

	// Of a verification and of a rebuild of the catalogue.
	Verified  Kind = "verified"          // an archive is what was saved, as far as it was checked
	Damaged   Kind = "damaged"           // an archive is not what was saved
	Unproven  Kind = "unproven"          // nothing proves who made an archive; a restore left it, a rebuild entered it without HMAC
	NotRead   Kind = "not-read"          // an archive is cold, so its content was not read; all other checks passed
	Adopted   Kind = "adopted"           // its own metadata alone vouch for an archive: its content was not read; all other checks passed
	Replaced  Kind = "replaced"          // the archive of an earlier run, of which the store keeps no version
	OtherKey  Kind = "other-key"         // an archive that no run lists, made with another key file: it was left alone
	Unknown   Kind = "unknown"           // an archive in the store that no run of the catalogue lists
	Catalogue Kind = "catalogue-damaged" // an object of the catalogue is missing, or is not what was written; or a recovery file is another's
	Older     Kind = "older-intact"      // another version of a damaged archive that the store still holds
	Lost      Kind = "lost"              // a damaged archive of which no run lists another version in the store
	Entered   Kind = "entered"           // an archive was written to the catalogue
)

// A Problem says what is wrong with an archive in a store or with an object of the catalogue.
type Problem string

// The problems that an event can name.
const (
	ProblemMissing  Problem = "missing"  // there is no such object, or not this version of it
	ProblemReplaced Problem = "replaced" // another archive took its place, in a store that keeps no versions
	ProblemSize     Problem = "size"     // its length is not that of what was stored
	ProblemETag     Problem = "etag"     // its ETag is not that of what was stored
	ProblemMetadata Problem = "metadata" // its metadata are not those that were stored with it
	ProblemKey      Problem = "key"      // it was made with another key file
	ProblemChecksum Problem = "checksum" // its bytes do not match the CRC that the store keeps
	ProblemContent  Problem = "content"  // it does not decrypt to what was saved: HMAC or MD5 differ
	ProblemTar      Problem = "tar"      // it cannot be decompressed, or is not a complete tar
	ProblemEntries  Problem = "entries"  // its entries are not those that the catalogue lists
	ProblemClass    Problem = "class"    // of a warning: it is in another storage class
	ProblemPutBack  Problem = "put-back" // it is what an older run stored, in place of what a newer one did
	ProblemUnproven Problem = "unproven" // nothing proves that firn made it with this key file, or, of the catalogue, its format is unknown

	ProblemState        Problem = "state-not-written" // of a warning: the state file could not be written
	ProblemOtherKey     Problem = "other-key"         // of a warning: the store holds archives of another key file
	ProblemOtherKeyRuns Problem = "other-key-runs"    // of a warning: the last run was made with another key file
	ProblemLostRuns     Problem = "lost-runs"         // of a warning: runs in the catalogue can't be read
	ProblemClock        Problem = "clock"             // of a warning: Run began in the future, so a clock is or was wrong
	ProblemGone         Problem = "gone"              // of a warning: the store lost an archive of an earlier run
	ProblemNotRecorded  Problem = "not-recorded"      // of a warning: the object with Key is not the one that was recorded
	ProblemMD5Alone     Problem = "md5-alone"         // of a warning: an archive was taken over that only its MD5 vouches for
	ProblemNoList       Problem = "no-list"           // of a warning: the spool has no room for the list of an archive
	ProblemUpload       Problem = "upload-anew"       // of a warning: what an earlier run began to upload can't be gone on with
	ProblemOtherOrigin  Problem = "other-origin"      // of a warning: the object with Key, which an archive may replace, is none that firn made
	ProblemIdlePattern  Problem = "idle-pattern"      // of a warning: an exclude pattern matched nothing
	ProblemRecovery     Problem = "recovery-file"     // of a warning, and of Catalogue: the object is not RECOVER.txt or restore.sh as firn stores it
	ProblemNoWorker     Problem = "no-worker"         // of a notice: no other host has come to do the work

	ProblemRunGone     Problem = "run-gone"       // Run is not in the catalogue any more
	ProblemRunReplaced Problem = "run-replaced"   // Run is not the one that was in the catalogue before
	ProblemFork        Problem = "forked"         // Run and another one come after the same run
	ProblemUnexpected  Problem = "unexpected-run" // Run is the newest, and is not shown to come after the one that is expected

	ProblemDeeperPrefix  Problem = "deeper-prefix"  // of a notice: archives below Key may belong to that longer prefix
	ProblemNoCatalogue   Problem = "no-catalogue"   // of a warning: there is no catalogue below the prefix
	ProblemRunFaults     Problem = "run-faults"     // of a warning: Run did not save some entries whole
	ProblemPartial       Problem = "partial"        // of a warning: entries are missing from an archive that Run has
	ProblemShortKey      Problem = "short-key"      // of a warning: the key is shortened, so the path is not known
	ProblemUnfinishedRun Problem = "unfinished-run" // of Lost: an unfinished run may have stored the archive again
)

// An Event is one thing that happened. Which fields it has depends on its kind; the others are
// zero.
type Event struct {
	Kind   Kind
	Path   string        // of the entry or subtree, as the user would write it; "" for an event of the whole run
	Key    string        // of the object
	Text   string        // for the user
	Err    error         // what failed and why; the error of an entry names its path too
	Source int64         // bytes of regular files in the subtree
	Stored int64         // bytes of the object
	Took   time.Duration // of an archive that was made or read: since that was begun, waits included

	Class, Tier string        // of a cold archive: its storage class, and the tier of the thaw
	Estimate    *ThawEstimate // of Estimate and AskedSum
	Waits       *Waits        // of Waiting
	Outage      *Outage       // of OutageLasts and OutageOver

	Problem Problem // of Damaged, Unproven, Replaced, Catalogue, and some Failed and Warnings
	Run     string  // the id of a run: of Older, the one that saved this version; of Catalogue, the one that the problem is of
}

// A ThawEstimate says what it takes to thaw the objects of one class in one tier.
type ThawEstimate struct {
	Class    string
	Tier     store.Tier
	Objects  int64         // one request each
	Bytes    int64         // of the objects, as they are stored
	Dollars  float64       // requests, retrieval, and the copies for the requested days
	From, To time.Duration // until they can be read; From 0: no least time is known; To 0: no time is known
}

// Waits says what a restore waits for.
type Waits struct {
	Archives, Bytes int64     // that are thawing
	Since           time.Time // when the wait began
	Next            time.Time // of the next look; zero during a look
}

// A Reporter takes events, from any goroutine. It must return quickly.
type Reporter interface{ Event(Event) }

// Discard is a Reporter that does nothing.
type Discard struct{}

// Event does nothing.
func (Discard) Event(Event) {}
