// Package stagestest is the rig of the end-to-end tests of the operations: a tree, a key file, a
// cache path and a store that are kept from run to run, and a method for each operation.
//
// A Rig has a store in a directory. A Site is a Rig whose store is a bucket of an S3 server behind
// a proxy that can spoil requests. Every method fails the test of the rig when something does not
// work that must work, and checks after each run that it gave back its memory, its spool and its
// spool files. What a run reported is its Outcome. Whether a run was complete is for the test to
// decide, except where the method is named Must.
//
// What only one package needs stays in the tests of that package.
package stagestest
