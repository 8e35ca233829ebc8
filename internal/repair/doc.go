// Package repair decides how each gap of a stream is closed: by backfill, by
// recovery connections, by search, or not at all and why.
//
// It is a state machine fed with gaps, the ends of jobs and the time. It reads
// no clock, starts no goroutine, sends no request and logs nothing; it knows
// neither how a job is carried out nor where its times come from. All times are
// X's.
//
// The age of each part of a gap decides, not the length of the outage. A gap is
// cut where its age crosses the reach of a method (edges.go), each part is
// assigned (assign.go), and what is to be asked for is asked for in windows,
// first what expires first (queue.go).
package repair
