package admission

import "time"

// evicting is how soon after the opening of one of our connections the end of
// another counts as its effect.
const evicting = 2 * time.Second

// eviction notices an account on which X ends one connection whenever another
// opens: there, two connections would end each other for ever. The zero value
// has seen none.
type eviction struct {
	latest int       // the connection that opened last
	at     time.Time // when it did
	inARow int       // ends that followed the opening of another
}

func (e *eviction) opened(connection int, at time.Time) { e.latest, e.at = connection, at }

// ended reports whether X has now ended one of our connections for another
// twice in a row. See [Admission.Evicted] for when to ask.
func (e *eviction) ended(connection int, at time.Time) (twice bool) {
	if e.latest == connection || at.Sub(e.at).Abs() > evicting {
		e.inARow = 0
		return false
	}
	e.inARow++
	return e.inARow >= 2
}
