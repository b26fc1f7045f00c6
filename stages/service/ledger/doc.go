// Package ledger keeps the catalogue in a store, below [prefix/].firn/:
//
//	.firn/runs/ID.json.gz             one small object a run, written last: what is not named by one is of a run that died
//	.firn/manifests/ID-001.jsonl.gz   what became of each subtree; more volumes for more than some hundred thousand
//	.firn/lists/ID-001.jsonl.gz       packs: the lists of entries of the archives that the run made
//
// Each object is compressed as package catalogue writes it, sealed as an archive is (encrypted for
// openssl, with MD5, HMAC and key id in its metadata), and stored in STANDARD, to be read at once.
// An object is verified whole before any of it is used.
//
// The package knows nothing of trees and tars. It promises that memory does not grow with a run,
// that scratch files do not exceed their limit, and that an incomplete catalogue is never taken for
// a complete one.
package ledger
