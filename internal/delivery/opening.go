package delivery

import "time"

// Opening is what tells a connection's backfill from what it brings live. The
// zero Opening is that of a job, which brings nothing live.
type Opening struct {
	At        time.Time // by X's clock
	Unsettled bool      // events of the backfill may still come
}

// backlog reports whether an event created at that time belongs to the
// backfill.
func (o Opening) backlog(created time.Time) bool { return o.Unsettled && created.Before(o.At) }
