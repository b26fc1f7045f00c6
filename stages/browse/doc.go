// Package browse answers questions from the catalogue, without reading an archive: which entries a
// run holds (Entries), which archives and runs hold something (Find), and what changed in a tree
// from one run to another (Diff).
//
// A pack is fetched, decrypted and verified as a whole, then its lists are read as streams. The
// package knows nothing of flags, terminals or archives' bytes. It promises:
//
//   - Find holds the matches and some 60 bytes for each list that may hold one. Entries and Diff hold
//     the subtrees that may matter, and read as many lists at a time as subtrees are nested deep.
//   - What could not be read is reported as a Fault, and counts neither as missing nor as removed.
//   - Find reads a list once, however many runs refer to it. Diff does not read equal subtrees.
package browse
