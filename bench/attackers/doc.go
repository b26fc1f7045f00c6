// Package attackers holds no code: its tests are docs/security.md, section "Attackers", played out
// against the real firn, with a store in a directory and one on an S3 server. Each attacker has a file.
//
// A test saves a small tree as the host does every night, lets the attacker do what he can do, and
// asks each command what it says. Wherever something was forged, one line names what and why, the exit
// code is 3 (1 where nothing can be done), nothing of it is extracted or called intact, the rest of the
// tree comes back, and the next nightly backup mends what can be mended.
//
// The tests of the single packages go into more depth: they hold the words of each problem, and every
// variant of it.
package attackers
