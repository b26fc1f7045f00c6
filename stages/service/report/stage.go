package report

// Names of the stages of all operations, as they appear in Progress.Stages and in JSON.
const (
	StageCut      = "cut"
	StageWalk     = "walk"
	StageLookup   = "lookup"
	StageArchive  = "archive"
	StageCompress = "compress"
	StageHash     = "hash"  // works inside archive
	StageSpool    = "spool" // works inside archive
	StageCheck    = "check"
	StageEncrypt  = "encrypt"
	StageUpload   = "upload"
	StageRecord   = "record"

	StageFind      = "find"
	StageCompare   = "compare"
	StageFetch     = "fetch"
	StageDecrypt   = "decrypt"
	StageExtract   = "extract"
	StageSettle    = "settle" // syncs files, and gives them their names
	StageCatalogue = "catalogue"
	StageLists     = "lists"

	// Of many hosts: a coordinator publishes items, workers take them.
	StagePublish = "publish"
	StageTake    = "take"

	// StageRead is no stage of the engine: it is the flow of the bytes that archive reads.
	StageRead = "read"
)
