package admission

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Ending is how an attempt to connect, or a connection, ended.
type Ending struct {
	Problem *xapi.Problem // never nil
	Opened  bool          // X had answered 200
	Lived   time.Duration // from the opening to the end; 0: it was not opened
	Data    bool          // at least one event came
}
