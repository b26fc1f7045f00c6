// Package catalogue is the format in which firn records what each run saved, down to every file:
// plain streams of JSON lines, compressed with gzip. It knows no store and no key: package ledger
// encrypts and authenticates them like archives. openssl, gunzip and jq can read all of it.
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
// A pack is gzip members one after the other (RFC 1952, section 2.2), a member a list; a Subtree's
// List has pack, offset and length. A list is written when its archive is made; the manifests of
// later runs refer to it, so that nothing but manifests grows with the number of runs.
//
// Paths are strings of UTF-8 in which every other byte is written \xHH and every backslash \\
// (Escape, Unescape). Readers ignore fields that they do not know.
//
// A truncated stream, or one of another form, is an error and never a short list.
package catalogue
