// Package stages holds no code: it is the map of the house. Read stages/backup/backup.go first,
// whose flow is one screen and says in which order the data flow; then flow in restore, verify and
// rebuild. Package pipeline is the engine that joins stages.
//
// Operations. Each has one screen, flow, and what it alone needs. They never import each other.
//
//	backup     walk ▸ lookup ▸ archive ▸ check ▸ encrypt ▸ upload ▸ record
//	restore    find ▸ compare ▸ lookup ▸ fetch ▸ extract; waits for thaws; or writes one file to a stream
//	verify     find ▸ lookup ▸ fetch ▸ walk, against what the runs say
//	rebuild    find ▸ lookup ▸ fetch ▸ list: writes the catalogue again
//	browse     list, find and diff: reads the catalogue, and no archive
//	doctor     looks at all that a backup needs before one needs it
//	bench      measures what a backup would be limited by
//	plan       list ▸ survey ▸ sample ▸ price: what a backup would come to at every depth
//
// What operations share:
//
//	job        means, budgets, the handle with Stop, Progress and Wait, the key file
//	prove      fetch ▸ decrypt ▸ verify ▸ decompress ▸ walk, for archives on their way back; what damage is
//
// Stages, in stages/stage: one method that does its work for one item, and no channel.
//
//	walk       cuts the tree, fingerprints subtrees, reads their entries
//	archive    entries → tar
//	pack       tar → archive: blocks on a shared pool, hashed and spooled
//	check      is it stored already?
//	upload     parts of objects, as many at a time as there are workers
//	fetch      ranges of objects, many at a time
//	extract    tar → tree, never outside the target
//	thaw       tiers, prices, what to do about a cold object
//	forecast   sizes, requests and dollars of a backup before it runs
//	sample     parts that stand for a tree, and compression measured on them
//
// Services, in stages/service: what lasts longer than an item.
//
//	spool      archives while they wait, in the cache path
//	state      what earlier runs know of each key, in the cache path
//	ledger     the catalogue in the store
//	report     events, totals, progress, summary
//	recovery   RECOVER.txt and restore.sh, beside the archives
//	fsys       system calls on open directories, extended attributes
//	hosts      one run on many hosts: a coordinator, workers, and the link between them; its driver
//	           jetstream (with a broker in the process, embedded) is a room that only cmd wires in, and
//	           hoststest is a queue in memory, and the suite that each driver passes
//
// The store, in stages/store: the interface, its drivers (s3, dir, dynamodb, and awsconf, which
// those that use AWS share; discard keeps nothing), listings in few bytes a key (index), the suite that each driver passes
// (storetest) and faults on purpose (fault).
//
// Formats, in stages/format, import nothing of firn but formats: codec, hash, encryption, key,
// record, catalogue, pick, exclude, treepath, tarfmt, crc, prices.
//
// Imports point one way: cmd → operations → job, prove → stages → services, store → formats.
// TestDependenciesPointOneWay holds it.
package stages
