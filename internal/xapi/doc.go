// Package xapi is X's streaming API as xconnect needs it: the catalogue of
// streams, the request that opens one, the lines of the response with what
// they prove about the connection, the key and time of each event, and what
// each of X's refusals means.
//
// It knows nothing of Benthos, of queues, of schedules or of coverage: it
// says what happened and when, and others decide what follows from that.
package xapi
