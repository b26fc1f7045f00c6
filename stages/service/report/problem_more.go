package report

// Problems that a warning of a backup names. The text of the warning says what happened.
const (
	ProblemState    = "state-not-written" // the state file could not be written
	ProblemOtherKey = "other-key"         // the store holds archives that were made with another key file
	ProblemGone     = "gone"              // an archive that an earlier run stored is not in the store
	ProblemNoList   = "no-list"           // the spool has no room for the list of an archive's entries
)
