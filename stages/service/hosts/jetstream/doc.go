// Package jetstream is the hosts.Link over NATS JetStream. It knows no operation, and opens no body.
//
// A queue NAME is two streams of the broker:
//
//	FIRN_NAME_items    firn.NAME.item.SHA256   an item each, until a worker has done it
//	FIRN_NAME_answers  firn.NAME.answer        what workers answer, until the coordinator has it
//
// Both have the retention of a work queue, lie in files, and are bounded. An id is kept once, because
// a subject holds one message. The items have one consumer, "workers", which all workers pull from: a
// lease is the time for which the broker waits for an acknowledgement. The answers have one too, the
// coordinator's: a work queue takes no second one, so that a second coordinator is refused. What may
// be lost goes without a stream, by firn.NAME.tell, .announce and .ask.
//
// The broker must be nats-server 2.10 or newer. It says that it keeps a message before the disk has it,
// unless its configuration has
//
//	jetstream { sync_interval: always }
//
// A client can't ask for that, nor see it. Without it, a power cut at the broker may lose the last two
// minutes, and a crash of nats-server alone nothing. If its disk was full, it takes nothing more for a
// stream, and does not say so, until it is started again. Replicas, placement and limits are the site's:
// a stream that exists is used if its other settings are those above.
//
// A user whose permissions are restricted must be able to publish to firn.NAME.>, $JS.API.> and
// $JS.ACK.>, and to subscribe to firn.NAME.>, _INBOX.> and $JS.EVENT.ADVISORY.CONSUMER.>; without the
// last, items that nobody could do are found later.
package jetstream
