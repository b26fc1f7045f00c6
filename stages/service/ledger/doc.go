// Package ledger keeps the catalogue in a store, below [prefix/].firn/:
//
//	.firn/runs/ID.json.gz             one small object a run, written last: what is not named by one is of a run that died
//	.firn/manifests/ID-001.jsonl.gz   what became of each subtree; more volumes for more than some hundred thousand
//	.firn/lists/ID-001.jsonl.gz       packs: the lists of entries of the archives that the run made
//
// Each object is compressed as package catalogue writes it, sealed as an archive is (encrypted for
// openssl, with MD5, HMAC and key id in its metadata), and stored in STANDARD, to be read at once.
// What is read has been proven before the first byte of it is looked at.
//
// It knows nothing of trees, tars or how a run comes to its results. It promises that memory does
// not grow with a run, nor scratch files beyond the limit they are given, and that a catalogue that
// could not be stored whole is never taken for one.
package ledger
