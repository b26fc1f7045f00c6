// Package pipeline is the engine: sources, stages and sinks joined by bounded channels, and inside
// one item ordered streams of blocks over shared pools. It knows nothing of what flows through it.
//
//	Source ──chan──▶ Map ──chan──▶ Map ──chan──▶ Sink        items, one worker pool a stage
//	                  │
//	                  └─ inside one item, blocks:
//
//	     produce ──▶ Ordered ══ shared Pool ══▶ consume ──▶ Fan ─┬▶ consumer
//	     (one)       window      (all items)    (in order)       └▶ consumer
//
// A slow stage blocks those before it: channels are unbuffered or small, an Ordered stream is at
// most its window ahead, and a Budget bounds bytes.
//
// What it promises:
//
//   - Only the sender closes; every stage drains its input, in a cancelled run too, and drops what
//     it drains (see Dropper).
//   - Each goroutine has an owner that waits for it: Run.Wait returns after the last one has ended.
//   - A fault of an item is passed to Options.OnFault and the run continues; an error marked by
//     Fatal cancels the run and is what Wait returns.
//   - A cancelled run is never reported as done: Wait returns the cause.
//   - The order of blocks never depends on scheduling.
package pipeline
