// Package browse answers what the catalogue is asked, without looking at a single archive: which entries a run holds
// (Entries), in which archives and runs something lies (Find), and what became of a tree from one run to another (Diff).
//
// It reads lists where they lie: a pack is fetched, decrypted and proven as a whole, then its lists are read as streams.
// It knows nothing of flags, terminals or archives' bytes. It promises:
//
//   - Memory is bounded by what is asked for, not by the catalogue: Find holds some 60 bytes for each distinct list that may
//     hold a match, and the matches; Entries and Diff hold the subtrees that may have something to say, and read as many
//     lists at a time as subtrees lie in each other.
//   - What could not be read is told as a Fault, and nothing is claimed of it: it is neither missing nor removed.
//   - Lists are read once for Find, however many runs refer to them; subtrees that are the same in both runs are not
//     read at all for Diff.
package browse
