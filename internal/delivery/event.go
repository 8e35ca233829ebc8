package delivery

// Event is one event as X sent it.
type Event struct {
	Raw       []byte // never changed by anyone
	Snowflake uint64 // the event's key where that is a Post ID or another snowflake, else 0
	Text      string // the event's key where it is not
	Created   int64  // Unix milliseconds; 0: unknown
	Source    Source
	Stripped  string // terms of rules that the search which brought it left out
}
