package delivery

// Fate is what became of a read. The zero Fate is none.
type Fate uint8

// The fates of a read. As long as the output has said neither, the read is kept.
const (
	Acknowledged Fate = iota + 1 // the output has all of it
	Rejected                     // the output has refused it for good
)

// Settle is called with a read once its fate is known. It is called exactly
// once for each, after the claim of its events says the same, and under no
// lock of the queue.
type Settle func(r *Read, fate Fate)
