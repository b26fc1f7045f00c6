package report

// Problems of warnings and notices, for the hints that a printer adds.
const (
	ProblemDeeperPrefix  = "deeper-prefix"  // archives below Key belong to that longer prefix
	ProblemNoCatalogue   = "no-catalogue"   // there is no catalogue below the prefix
	ProblemRunFaults     = "run-faults"     // Run did not save some entries whole
	ProblemShortKey      = "short-key"      // the key is shortened, so the path is not known
	ProblemUnfinishedRun = "unfinished-run" // an unfinished run may have stored the archive again
)
