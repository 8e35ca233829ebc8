package delivery

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Decoded is what the lines of one read turned out to be.
type Decoded struct {
	Read    *Read // nil: nothing new
	Arrival Arrival
	Counts  Counts
	Problem *xapi.Problem // X announced something, usually the end; nil: nothing
	Garbage []byte        // a malformed line, valid until the next read; nil: there was none
}

// Arrival is what one read says of how far its connection has come. Repeats say
// as much as what is new.
type Arrival struct {
	Lines  bool      // at least one, perhaps a heartbeat
	Data   bool      // at least one event
	Newest time.Time // creation of the newest event; zero: unknown
	Old    bool      // an event was created before the connection's opening
}
