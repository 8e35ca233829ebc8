package simulator

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Unlimited lifts a limit of an [Account].
const Unlimited = -1

// Access is whether an account has a feature, and how X refuses it if not.
type Access int

const (
	Allowed   Access = iota
	Denied           // 403 client-forbidden
	Unoffered        // 400 invalid-request, as for a parameter that does not exist
)

// Account holds the limits that X enforces. The zero value has the numbers that
// X publishes for Enterprise access.
type Account struct {
	// Token is the bearer token; default "simulator".
	Token string
	// APIKey and APISecret are exchanged for the token at /oauth2/token; both
	// are "simulator" by default.
	APIKey, APISecret string
	// Streams that the account has access to, by name; nil: all that carry Posts.
	Streams []string
	// Connections at a time on each stream; 0: X's number for the stream.
	Connections int
	// Connects in 15 minutes on each stream; 0: X's number for the stream, 50
	// where X publishes none.
	Connects int
	// SlotHold is how long a connection that the client or the network ended
	// goes on counting.
	SlotHold time.Duration
	// NewConnectionEndsOld ends the connections of a stream when another is
	// opened, as the filtered stream's quickstart says of self-serve access.
	NewConnectionEndsOld bool
	// Backfill is the right to backfill_minutes.
	Backfill Access
	// UsageCap is the number of Posts after which streams end with usage-capped
	// and connects are refused; 0: none.
	UsageCap int64
	// Rules bounds the number of filtered rules; default 1,000.
	Rules int
	// RuleLength bounds one rule in characters; default 1,024.
	RuleLength int
}

// connectWindow is the time over which X counts connects.
const connectWindow = 15 * time.Minute

// connectsKept bounds the record of connects.
const connectsKept = 20_000

// Connect is one request for a stream, as /simulator/connections lists it.
type Connect struct {
	At              time.Time `json:"at"`
	Stream          string    `json:"stream"`
	Partition       int       `json:"partition,omitempty"`
	BackfillMinutes int       `json:"backfill_minutes,omitempty"`
	Status          int       `json:"status"` // 0: no answer, by a fault
}

// account is an Account with what it has used.
type account struct {
	Account
	mu       sync.Mutex
	windows  map[*stream]*window
	slots    map[*connection]struct{} // taken
	open     map[*connection]struct{} // of them, those that have begun
	held     []slot
	ended    map[reason]int
	connects []Connect
	total    int64 // connects, with those no longer kept
	used     int64 // Posts
	numbered int64 // connections
}

// window counts connects from the first one on, for 15 minutes.
type window struct {
	used  int
	reset time.Time
}

// slot is a dead connection that X still counts.
type slot struct {
	stream *stream
	until  time.Time
}

// limits is what the x-rate-limit headers say.
type limits struct {
	limit, remaining int
	reset            time.Time
}

func newAccount(a Account) *account {
	a.Token = cmp.Or(a.Token, "simulator")
	a.APIKey = cmp.Or(a.APIKey, "simulator")
	a.APISecret = cmp.Or(a.APISecret, "simulator")
	a.Rules = cmp.Or(a.Rules, 1000)
	a.RuleLength = cmp.Or(a.RuleLength, 1024)
	return &account{Account: a, windows: map[*stream]*window{}, slots: map[*connection]struct{}{},
		open: map[*connection]struct{}{}, ended: map[reason]int{}}
}

// authorized checks a request's bearer token.
func (a *account) authorized(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+a.Token)) == 1
}

// exchange answers POST /oauth2/token: the API key and secret, each
// URL-encoded, as Basic credentials for the bearer token.
func (a *account) exchange(w http.ResponseWriter, r *http.Request) {
	type oauthError struct {
		Code    int    `json:"code"`
		Label   string `json:"label"`
		Message string `json:"message"`
	}
	refuse := func(status int, e oauthError) {
		writeJSON(w, "application/json; charset=utf-8", status, map[string]any{"errors": []oauthError{e}})
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(a.APIKey)+":"+url.QueryEscape(a.APISecret)))
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	switch {
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1:
		refuse(http.StatusForbidden, oauthError{99, "authenticity_token_error", "Unable to verify your credentials"})
	case r.FormValue("grant_type") != "client_credentials":
		refuse(http.StatusForbidden, oauthError{170, "forbidden_missing_parameter", "Missing required parameter: grant_type"})
	default:
		writeJSON(w, "application/json; charset=utf-8", http.StatusOK, map[string]string{"token_type": "bearer", "access_token": a.Token})
	}
}

func (a *account) mayRead(s *stream) bool {
	return s.posts && (a.Streams == nil || slices.Contains(a.Streams, s.name))
}

// count draws one connect on the stream's window. It reports false, and draws
// nothing, when the window is used up.
func (a *account) count(s *stream) (limits, bool) {
	allowed := cmp.Or(a.Connects, s.connects)
	if allowed == Unlimited {
		return limits{}, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	w := a.windows[s]
	if w == nil || !now.Before(w.reset) {
		// The header has whole seconds: the window ends when it says.
		w = &window{reset: now.Add(connectWindow + time.Second - 1).Truncate(time.Second)}
		a.windows[s] = w
	}
	ok := w.used < allowed
	if ok {
		w.used++
	}
	return limits{allowed, allowed - w.used, w.reset}, ok
}

func (l limits) header(h http.Header) {
	if l.limit == 0 {
		return
	}
	h.Set("x-rate-limit-limit", strconv.Itoa(l.limit))
	h.Set("x-rate-limit-remaining", strconv.Itoa(l.remaining))
	h.Set("x-rate-limit-reset", strconv.FormatInt(l.reset.Unix(), 10))
}

// admit gives c a slot, or says why it cannot have one.
func (a *account) admit(c *connection) *problem {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.UsageCap > 0 && a.used >= a.UsageCap {
		return usageCapped()
	}
	if a.NewConnectionEndsOld {
		a.held = slices.DeleteFunc(a.held, func(s slot) bool { return s.stream == c.stream })
		for old := range a.slots {
			if old.stream == c.stream {
				old.stop(reasonReplaced)
				delete(a.slots, old)
			}
		}
	}
	now := time.Now()
	a.held = slices.DeleteFunc(a.held, func(s slot) bool { return !now.Before(s.until) })
	taken := 0
	for open := range a.slots {
		if open.stream == c.stream {
			taken++
		}
	}
	for _, s := range a.held {
		if s.stream == c.stream {
			taken++
		}
	}
	if allowed := cmp.Or(a.Connections, c.stream.connections); allowed != Unlimited && taken >= allowed {
		return tooManyConnections()
	}
	a.slots[c] = struct{}{}
	return nil
}

// begin makes c visible, to faults above all.
func (a *account) begin(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.numbered++
	c.id = a.numbered
	a.open[c] = struct{}{}
}

// release ends c's claim on its slot: now where X itself ended the connection,
// else after SlotHold.
func (a *account) release(c *connection, why reason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.slots, c)
	if a.SlotHold > 0 && !why.byX() {
		a.held = append(a.held, slot{c.stream, time.Now().Add(a.SlotHold)})
	}
}

// finish forgets an open connection.
func (a *account) finish(c *connection, why reason) {
	a.release(c, why)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, c)
	a.ended[why]++
}

// connections returns the open ones in the order of their opening.
func (a *account) connections() []*connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Keys(a.open), func(x, y *connection) int { return cmp.Compare(x.id, y.id) })
}

// record keeps one request for a stream.
func (a *account) record(c Connect) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.connects) == connectsKept {
		a.connects = slices.Delete(a.connects, 0, connectsKept/2)
	}
	a.connects = append(a.connects, c)
	a.total++
}

// past returns the requests for streams and the ends of connections.
func (a *account) past() (connects []Connect, total int64, ended map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ended = map[string]int{}
	for why, n := range a.ended {
		ended[string(why)] = n
	}
	return slices.Clone(a.connects), a.total, ended
}

// use counts Posts that are sent and reports whether the cap allows them.
func (a *account) use(posts int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used += int64(posts)
	return a.UsageCap == 0 || a.used <= a.UsageCap
}
