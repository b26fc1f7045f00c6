// Package hoststest is a queue in memory for tests of what runs on many hosts. It has the semantics of
// hosts.Link, also where they hurt: a lease ends by time, what may be lost can be lost on purpose, and
// whoever has a link may write what he likes. It works within testing/synctest.
package hoststest
