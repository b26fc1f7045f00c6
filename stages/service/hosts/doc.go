// Package hosts lets one operation run on many hosts. A coordinator finds the items, and offers them;
// workers take them, each under a lease, and answer. A Link carries all that is said: it is the room of
// a driver, which only cmd wires, and knows no operation. What is in an item, an answer, a note and the
// settings is the operation's own.
//
// Whoever may write to the queue has no say. Each message is sealed under a key that is derived from
// the passphrase, for one run, one kind of message and one item: what does not open is dropped, and
// counted. So nobody without the key file reads a path, forges a result, or gives a worker work.
//
// An item is handed out at least once. Its effect is that of once: the coordinator counts one
// answer for an item, and what the item does is idempotent by its key.
//
// The queue is disposable. A coordinator that begins a run drops what an earlier one left in it.
package hosts
