// Package tree makes directory trees for tests and benchmarks, and compares two of them.
//
// It knows nothing of firn: what it says of a tree is an oracle for what firn does with it. What it
// makes depends on its arguments alone (Text and Mixed also on the Go installation they take their
// material from), times of modification included; times of change and inodes are the file system's.
package tree
