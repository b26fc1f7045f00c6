// Package catalogue is the format in which firn notes what each run saved, down to every file. It knows no store and no
// key: it writes and reads plain streams of JSON lines, compressed with gzip, which whoever stores them encrypts and
// authenticates as any archive is (package ledger). So openssl, gunzip and jq read all of it.
//
// A run leaves three kinds of streams:
//
//	the run          {"firn_run":1,"run":"20261123T203000Z-1a2b3c4d",…}     one line, written last: Run
//
//	its manifest     {"firn_manifest":1,"run":"…","volume":1}               what became of each subtree, in one or
//	                 {"path":"home/me/docs","key":"home/me/docs.tar.bz2",…} more volumes: Subtree, one a line, in the
//	                 {"end":true,"lines":2}                                 order in which they were settled
//
//	its packs        {"firn_list":1,"path":"home/me/docs",…}                the lists of entries of the archives that
//	                 {"path":"docs/a.txt","type":"file","size":5,…}         the run made: Entry, one a line, in the
//	                 {"end":true,"lines":1,"md5":"…"}                       tar's order
//
// A pack is gzip members one after the other (RFC 1952, section 2.2), a member a list; a Subtree's List tells pack,
// offset and length. A list is written when its archive is made; the manifests of later runs refer to it, so that
// nothing but manifests grows with the number of runs.
//
// Paths are strings of UTF-8 in which every other byte is written \xHH and every backslash \\ (Escape, Unescape). Fields
// that a reader does not know are of a later firn, and ignored.
//
// The package promises that a stream which ends too early, or is of another form, is an error and never a short list.
package catalogue
