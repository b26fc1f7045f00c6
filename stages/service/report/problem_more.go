package report

// Problems of warnings and notices, for the hints that a printer adds.
const (
	ProblemDeeperPrefix  Problem = "deeper-prefix"  // archives below Key belong to that longer prefix
	ProblemNoCatalogue   Problem = "no-catalogue"   // there is no catalogue below the prefix
	ProblemRunFaults     Problem = "run-faults"     // Run did not save some entries whole
	ProblemShortKey      Problem = "short-key"      // the key is shortened, so the path is not known
	ProblemUnfinishedRun Problem = "unfinished-run" // an unfinished run may have stored the archive again
)
