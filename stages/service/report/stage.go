package report

// Names of the stages of all operations, as they appear in Progress.Stages and in JSON.
const (
	// Of a backup, in the order in which data flows. Hash and spool work inside archive.
	StageCut      = "cut"
	StageWalk     = "walk" // also of verify and rebuild: it reads the tar of an archive
	StageLookup   = "lookup"
	StageArchive  = "archive"
	StageCompress = "compress"
	StageHash     = "hash"
	StageSpool    = "spool"
	StageCheck    = "check"
	StageEncrypt  = "encrypt"
	StageUpload   = "upload"
	StageRecord   = "record"

	// Of what reads archives: restore, verify and rebuild.
	StageFind      = "find"
	StageCompare   = "compare"
	StageFetch     = "fetch"
	StageDecrypt   = "decrypt"
	StageExtract   = "extract"
	StageCatalogue = "catalogue"
	StageLists     = "lists"
)
