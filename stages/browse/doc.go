// Package browse answers questions from the catalogue, without reading an archive: which entries a
// run holds (Entries), which archives and runs hold something (Find), and what changed in a tree
// from one run to another (Diff).
//
// A pack is fetched, decrypted and verified as a whole, then its lists are read as streams. The
// package knows nothing of flags, terminals or archives' bytes. It promises:
//
//   - Memory is bounded by the question, not by the catalogue: Find holds some 60 bytes for each
//     distinct list that may hold a match, and the matches. Entries and Diff hold the subtrees that may
//     matter, and read as many lists at a time as subtrees are nested deep.
//   - What could not be read is reported as a Fault, and counts neither as missing nor as removed.
//   - Find reads a list once, however many runs refer to it. Diff does not read subtrees that are the
//     same in both runs.
package browse
