// Package delivery is the way of events from a reader to the output and back:
// a [Decoder] makes the new events of each read, and a [Queue] bounds what
// waits, hands it out in batches and hears what the output says of them.
//
// A batch that is rejected is kept and handed out again, whole and under the
// same claim. Whoever judged a read learns once what became of it.
//
// It knows no partition (to it that is a number), no connection or job, no
// coverage, no X beyond the lines of xapi, no Benthos and no log. So it says
// what arrived and what became of it, and others decide what follows from that.
package delivery
