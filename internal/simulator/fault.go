package simulator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// Kind is a way in which X fails.
type Kind string

// Faults of open connections.
const (
	CleanEnd              Kind = "clean_end"              // the final chunk, then the end
	Reset                 Kind = "reset"                  // a TCP reset
	Cut                   Kind = "cut"                    // an end in the middle of a line and a chunk
	CutLine               Kind = "cut_line"               // an end in the middle of a line, with a final chunk
	Stall                 Kind = "stall"                  // no byte for a time, heartbeats neither
	OperationalDisconnect Kind = "operational_disconnect" // X's message, then a clean end
	Garbage               Kind = "garbage"                // a line that is not JSON
	Oversized             Kind = "oversized"              // a line of Bytes bytes
	Trickle               Kind = "trickle"                // one byte at a time, for a time
	DamagedGzip           Kind = "damaged_gzip"           // bytes that no gzip reader takes; compressed connections only
)

// Faults of connects.
const (
	Refuse             Kind = "refuse"            // the dial is refused; of all streams, for X's host has one port
	HeaderDelay        Kind = "header_delay"      // the response headers come after Delay
	Unauthorized401    Kind = "401"               //
	Forbidden403       Kind = "403"               //
	NoRules409         Kind = "409"               //
	RateLimited        Kind = "429_rate"          // with reset after Reset, or without headers
	TooManyConnections Kind = "429_connections"   //
	UsageCapped        Kind = "429_usage"         //
	InternalError500   Kind = "500"               //
	Unavailable503     Kind = "503"               //
	AcceptThenClose    Kind = "accept_then_close" // status 200, then a clean end without data
	Hang               Kind = "hang"              // the request is taken and never answered
)

var openKinds = []Kind{CleanEnd, Reset, Cut, CutLine, Stall, OperationalDisconnect, Garbage, Oversized, Trickle, DamagedGzip}

var connectKinds = []Kind{Refuse, HeaderDelay, Unauthorized401, Forbidden403, NoRules409, RateLimited, TooManyConnections,
	UsageCapped, InternalError500, Unavailable503, AcceptThenClose, Hang}

// Target is a use that requests are made for.
type Target string

const (
	Live          Target = "live"     // connections without start_time
	Recovery      Target = "recovery" // connections with start_time
	Searches      Target = "search"   // requests to the searches and for counts
	RulesRequests Target = "rules"    // requests to the rules of the filtered stream
)

// Fault is one failure. Its JSON has the names in lower case and durations as
// strings ("30s").
type Fault struct {
	// At is the time since the simulator began to serve; ignored by [Simulator.Break].
	At time.Duration
	// Kind is the way it fails.
	Kind Kind
	// Stream and Partition choose what it hits; empty and 0: all.
	Stream    string
	Partition int
	// Target chooses by use; empty: live and recovery connections. Only faults
	// of connects hit searches and rules, whose requests are answered at once.
	Target Target
	// Count is the number of connections, the oldest first, or of connects that
	// it hits. 0: all open connections; all connects during For, or one.
	Count int
	// AfterPosts makes a fault of open connections wait, and hit the first Count
	// (0: one) that have sent so many Posts, each just then.
	AfterPosts int
	// For is how long a stall (0: for good), a trickle (default 30 s) or a fault
	// of connects (0: until Count is used up) lasts.
	For time.Duration
	// Delay of the headers; default 5 s.
	Delay time.Duration
	// Reset of a rate limit, from the refusal on; 0: no headers.
	Reset time.Duration
	// Bytes of an oversized line; default 5 MiB.
	Bytes int
	// Rate of a trickle in bytes a second; default 10.
	Rate int
}

// faultJSON is Fault on the wire.
type faultJSON struct {
	At         string `json:"at,omitempty"`
	Kind       Kind   `json:"kind"`
	Stream     string `json:"stream,omitempty"`
	Partition  int    `json:"partition,omitempty"`
	Target     Target `json:"target,omitempty"`
	Count      int    `json:"count,omitempty"`
	AfterPosts int    `json:"after_posts,omitempty"`
	For        string `json:"for,omitempty"`
	Delay      string `json:"delay,omitempty"`
	Reset      string `json:"reset,omitempty"`
	Bytes      int    `json:"bytes,omitempty"`
	Rate       int    `json:"rate,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (f Fault) MarshalJSON() ([]byte, error) {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return json.Marshal(faultJSON{text(f.At), f.Kind, f.Stream, f.Partition, f.Target, f.Count, f.AfterPosts, text(f.For), text(f.Delay), text(f.Reset), f.Bytes, f.Rate})
}

// UnmarshalJSON implements json.Unmarshaler. It refuses unknown fields and what
// no fault can be.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var j faultJSON
	if err := unmarshalStrict(b, &j); err != nil {
		return err
	}
	*f = Fault{Kind: j.Kind, Stream: j.Stream, Partition: j.Partition, Target: j.Target, Count: j.Count, AfterPosts: j.AfterPosts, Bytes: j.Bytes, Rate: j.Rate}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{{"at", j.At, &f.At}, {"for", j.For, &f.For}, {"delay", j.Delay, &f.Delay}, {"reset", j.Reset, &f.Reset}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return f.validate()
}

const (
	maxOversized = 256 << 20
	maxTrickle   = 1000
)

func (f Fault) validate() error {
	if !slices.Contains(openKinds, f.Kind) && !slices.Contains(connectKinds, f.Kind) {
		return fmt.Errorf("unknown kind %q: must be one of %q or %q", f.Kind, openKinds, connectKinds)
	}
	if min(f.Partition, f.Count, f.AfterPosts, f.Bytes, f.Rate) < 0 || min(f.At, f.For, f.Delay, f.Reset) < 0 {
		return errors.New("numbers and durations must not be negative")
	}
	if f.Bytes > maxOversized {
		return fmt.Errorf("bytes must be at most %d", maxOversized)
	}
	if f.Rate > maxTrickle {
		return fmt.Errorf("rate must be at most %d bytes a second", maxTrickle)
	}
	if f.AfterPosts > 0 && f.ofConnects() {
		return errors.New("after_posts: a connect has sent no Posts")
	}
	return f.validateAim()
}

// validateAim checks what the fault chooses by.
func (f Fault) validateAim() error {
	aimed := f.Stream != "" || f.Partition != 0
	if f.Stream != "" {
		if _, ok := lookupStream(f.Stream); !ok {
			return fmt.Errorf("unknown stream %q", f.Stream)
		}
	}
	if f.Kind == Refuse && (aimed || f.Target != "") {
		return errors.New("a dial names no stream: refuse hits all of them")
	}
	switch f.Target {
	case "", Live, Recovery:
		return nil
	case Searches, RulesRequests:
		if aimed || !f.ofConnects() {
			return fmt.Errorf("target %s: is no stream and answers at once", f.Target)
		}
		return nil
	}
	return fmt.Errorf("unknown target %q: must be one of %q", f.Target, []Target{Live, Recovery, Searches, RulesRequests})
}

func (f Fault) ofConnects() bool { return slices.Contains(connectKinds, f.Kind) }

func (f Fault) headerDelay() time.Duration { return cmp.Or(f.Delay, 5*time.Second) }

// problem is the refusal that the fault stands for. It sets the rate-limit
// headers of h by the fault.
func (f Fault) problem(h http.Header) *problem {
	switch f.Kind {
	case Unauthorized401:
		return unauthorized()
	case Forbidden403:
		return forbidden()
	case NoRules409:
		return noRules()
	case TooManyConnections:
		return tooManyConnections()
	case UsageCapped:
		return usageCapped()
	case InternalError500:
		return generic(http.StatusInternalServerError)
	case RateLimited:
		h.Del("x-rate-limit-limit")
		h.Del("x-rate-limit-remaining")
		h.Del("x-rate-limit-reset")
		if f.Reset > 0 {
			limits{limit: 50, reset: time.Now().Add(f.Reset + time.Second - 1)}.header(h)
		}
		return tooManyRequests()
	default:
		return generic(http.StatusServiceUnavailable)
	}
}

// hits reports whether the fault chooses connections of a claim.
func (f Fault) hits(c claim) bool {
	return (f.Stream == "" || f.Stream == c.stream.name) && (f.Partition == 0 || f.Partition == c.partition) &&
		(f.Target == "" || f.Target == c.target())
}

// ParseFaults reads a script: a JSON array of faults by increasing "at".
func ParseFaults(b []byte) ([]Fault, error) {
	var list []Fault
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	if !slices.IsSortedFunc(list, func(a, b Fault) int { return cmp.Compare(a.At, b.At) }) {
		return nil, errors.New("faults: must be in the order of their \"at\"")
	}
	return list, nil
}

// RandomFaults draws faults without end: one after each half to one and a half
// of every, of the given kinds or, without any, of all that pass within a minute.
func RandomFaults(seed uint64, every time.Duration, kinds ...Kind) iter.Seq[Fault] {
	if len(kinds) == 0 {
		kinds = slices.Concat(openKinds, connectKinds)
		kinds = slices.DeleteFunc(kinds, func(k Kind) bool { return k == UsageCapped })
	}
	return func(yield func(Fault) bool) {
		r := rand.New(rand.NewPCG(seed, 0xfa01))
		for at := time.Duration(0); ; {
			at += every/2 + time.Duration(r.Int64N(int64(every)+1))
			f := Fault{At: at, Kind: kinds[r.IntN(len(kinds))]}
			switch f.Kind {
			case Stall, Trickle:
				f.For = 40 * time.Second
			case Refuse, Unavailable503, InternalError500:
				f.For = time.Second + time.Duration(r.Int64N(int64(8*time.Second)))
			case RateLimited:
				f.Reset = time.Duration(5+r.Int64N(30)) * time.Second
			}
			// A fault of connects shows only when a connection is lost.
			if f.ofConnects() && !yield(Fault{At: at, Kind: Reset}) {
				return
			}
			if !yield(f) {
				return
			}
		}
	}
}
