package ingest

import "time"

// supplanted is how soon after the opening of one of our connections the end
// of another counts as its effect.
const supplanted = 2 * time.Second

// rivalry notices an account on which X ends one connection whenever another
// opens: there, two connections would end each other for ever.
type rivalry struct {
	latest int       // the connection that opened last
	at     time.Time // when it did
	inARow int       // ends that followed the opening of another
}

func (r *rivalry) opened(connection int, at time.Time) { r.latest, r.at = connection, at }

// ended reports whether X has now ended one of our connections for another
// twice in a row. It is to be asked a little after the end: X may end the old
// connection before it answers the new one.
func (r *rivalry) ended(connection int, at time.Time) (twice bool) {
	if r.latest == connection || at.Sub(r.at).Abs() > supplanted {
		r.inARow = 0
		return false
	}
	r.inARow++
	return r.inARow >= 2
}
