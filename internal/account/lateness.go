package account

import (
	"slices"
	"time"
)

const (
	// latenessMax is the longest overlap that measured lateness asks for.
	latenessMax = 2 * time.Minute
	// latenessSample is the number of events after which older measurements
	// count half.
	latenessSample = 100_000
	// latenessLeast is the number of events below which a percentile of
	// 99.9 says nothing.
	latenessLeast = 1000
)

// lateness measures how long after their creation live events arrive, in
// whole seconds.
type lateness struct {
	seconds [int(latenessMax/time.Second) + 1]int64
	total   int64
}

// add counts one live event that arrived late after its creation.
func (l *lateness) add(late time.Duration) {
	l.seconds[int(min(max(late, 0), latenessMax)/time.Second)]++
	if l.total++; l.total < latenessSample {
		return
	}
	l.total = 0
	for i := range l.seconds {
		l.seconds[i] /= 2
		l.total += l.seconds[i]
	}
}

// percentile999 is a time within which 99.9 % of the events arrived, and zero
// as long as too few were measured.
func (l *lateness) percentile999() time.Duration {
	if l.total < latenessLeast {
		return 0
	}
	beyond := l.total / 1000
	for i := len(l.seconds) - 1; i > 0; i-- {
		if beyond -= l.seconds[i]; beyond < 0 {
			return time.Duration(min(i+1, len(l.seconds)-1)) * time.Second
		}
	}
	return time.Second
}

// counts are the measurements as a record keeps them, without the zeros at the
// end.
func (l *lateness) counts() []int64 {
	n := len(l.seconds)
	for n > 0 && l.seconds[n-1] == 0 {
		n--
	}
	return slices.Clone(l.seconds[:n])
}

// restore goes on from what counts returned.
func (l *lateness) restore(counts []int64) {
	l.total = 0
	for i, n := range counts[:min(len(counts), len(l.seconds))] {
		l.seconds[i] = max(n, 0)
		l.total += l.seconds[i]
	}
}
