// Package sim simulates a backup on many hosts, past what one machine can show: a billion entries
// in a million subtrees, on hundreds of hosts that may fail.
//
// It is a simulation by events. What happens at one place one after the other is a server that
// works on what comes in turn, at a rate: the coordinator's walk and its recording, the broker, the
// bucket's requests, and of each host its scan, its processors and its link. What is not modelled:
//
//   - that archives share a host's link at the same time: here they use it in turn, with the same sum;
//   - workers that are paused and not dead, and links that are lost: a host works, or it is gone;
//   - outages and slow answers of the bucket, and what a parallel file system does under load: rates
//     are constant;
//   - the processor time of the coordinator's walk beside its recording.
//
// Time is in seconds, sizes are in bytes. The same Case gives the same Result.
package sim
