package simulator

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
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
	Unoffered        // as what does not exist: 400 invalid-request for a parameter, 404 for a path
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
	// Recovery is the right to start_time and end_time on streams.
	Recovery Access
	// RecoveryJobs is the number of recovery connections at a time on each
	// stream, over all of its partitions; 0: X's number, 2.
	RecoveryJobs int
	// RecoveryJobsByPartition counts the jobs of each partition apart. X's
	// documentation leaves it open.
	RecoveryJobsByPartition bool
	// RecoveryTakesSlot makes a recovery connection one of the Connections of
	// its stream. X's documentation leaves it open.
	RecoveryTakesSlot bool
	// SearchRecent and SearchAll are the rights to the two searches.
	SearchRecent, SearchAll Access
	// SearchRequests in 15 minutes on each search; 0: X's number, which is 450
	// on recent, and 300 and one a second on all; Unlimited lifts both.
	SearchRequests int
	// QueryLength bounds a query in characters; 0: X's number for self-serve
	// access, which is 512 on recent and 1,024 on all.
	QueryLength int
	// UsageCap is the number of Posts, of streams and searches, after which
	// streams end with usage-capped and connects and searches are refused; 0: none.
	UsageCap int64
	// Rules bounds the number of filtered rules; default 1,000.
	Rules int
	// RuleLength bounds one rule in characters; default 1,024.
	RuleLength int
}

// account is an Account with what it has used.
type account struct {
	Account
	mu       sync.Mutex
	windows  map[string]*window // by path
	last     map[string]time.Time
	claims   map[*connection]claim    // of connections that X counts
	held     []held                   // of dead ones
	open     map[*connection]struct{} // begun
	numbered int64                    // connections
	past     []pastConnection
	ended    map[reason]int
	connects record[Connect]
	requests record[Request]
	used     int64 // Posts
}

func newAccount(a Account) *account {
	a.Token = cmp.Or(a.Token, "simulator")
	a.APIKey = cmp.Or(a.APIKey, "simulator")
	a.APISecret = cmp.Or(a.APISecret, "simulator")
	a.Rules = cmp.Or(a.Rules, 1000)
	a.RuleLength = cmp.Or(a.RuleLength, 1024)
	a.RecoveryJobs = cmp.Or(a.RecoveryJobs, 2) // docs.x.com: fundamentals/recovery-and-redundancy
	return &account{Account: a, windows: map[string]*window{}, last: map[string]time.Time{}, claims: map[*connection]claim{},
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

// capped reports whether all Posts of the UsageCap are used.
func (a *account) capped() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.UsageCap > 0 && a.used >= a.UsageCap
}

// use counts Posts that are sent and reports whether the cap allows them.
func (a *account) use(posts int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used += int64(posts)
	return a.UsageCap == 0 || a.used <= a.UsageCap
}
