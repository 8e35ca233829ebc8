package repair

import "time"

// leastReplay is how long a window must be for its replay to be measured: a
// shorter one says more about connecting.
const leastReplay = 10 * time.Minute

// replay is how fast recovery goes, as a smoothed value.
type replay struct {
	speed     float64 // seconds of a window a second, of one job; 0: not measured
	fresh     bool    // measured since the last forecast was considered
	announced float64 // speed of the last forecast of this repair; 0: none
}

// measure counts a window that took so long. The last three or so decide.
func (r *replay) measure(window, took time.Duration) {
	if window < leastReplay {
		return
	}
	measured := window.Seconds() / max(took, time.Second).Seconds()
	if r.speed == 0 {
		r.speed = measured
	}
	r.speed += (measured - r.speed) / 3
	r.fresh = true
}

// changed reports whether the speed is off what was announced by more than a
// quarter.
func (r *replay) changed() bool {
	return r.speed > 1.25*r.announced || r.speed < 0.75*r.announced
}

// takes is how long a job takes for a window.
func (r *replay) takes(window time.Duration) time.Duration {
	return time.Duration(float64(window) / r.speed)
}
