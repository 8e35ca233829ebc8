package simulator

import (
	"net/http"
	"strconv"
	"time"
)

// rateWindow is the time over which X counts requests
// (docs.x.com: fundamentals/rate-limits).
const rateWindow = 15 * time.Minute

// window counts requests from the first one on, for rateWindow.
type window struct {
	used  int
	reset time.Time
}

// limits is what the x-rate-limit headers say.
type limits struct {
	limit, remaining int
	reset            time.Time
}

func (l limits) header(h http.Header) {
	if l.limit == 0 {
		return
	}
	h.Set("x-rate-limit-limit", strconv.Itoa(l.limit))
	h.Set("x-rate-limit-remaining", strconv.Itoa(l.remaining))
	h.Set("x-rate-limit-reset", strconv.FormatInt(l.reset.Unix(), 10))
}

// count draws one request on the window of a path. It reports false, and draws
// nothing, when the window is used up.
func (a *account) count(path string, allowed int) (limits, bool) {
	if allowed == Unlimited {
		return limits{}, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	w := a.windows[path]
	if w == nil || !now.Before(w.reset) {
		w = &window{reset: wholeSecond(now.Add(rateWindow))}
		a.windows[path] = w
	}
	ok := w.used < allowed
	if ok {
		w.used++
	}
	return limits{allowed, allowed - w.used, w.reset}, ok
}

// space lets one request a second pass.
func (a *account) space(path string) (limits, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	next := a.last[path].Add(time.Second)
	if now.Before(next) {
		return limits{limit: 1, reset: wholeSecond(next)}, false
	}
	a.last[path] = now
	return limits{}, true
}

// wholeSecond is the first second of the clock that is not before t. The
// headers have whole seconds, and a limit ends when they say.
func wholeSecond(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second) }
