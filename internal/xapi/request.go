package xapi

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Request is what to ask a stream for.
type Request struct {
	Stream          Stream
	Partition       int       // 1..Stream.Partitions, or 0 where there are none
	BackfillMinutes int       // 1..5; 0: none
	Start, End      time.Time // of a recovery, rounded outward to seconds; zero: live
}

// url returns the address of the request below base.
func (r Request) url(base *url.URL, parameters map[string]string) (*url.URL, error) {
	s := r.Stream
	switch {
	case s.Path == "":
		return nil, errors.New("the request names no stream")
	case strings.Contains(s.Path, "{"):
		return nil, fmt.Errorf("stream %s needs an account and a label in its path", s.Name)
	case r.Partition < 0 || r.Partition > s.Partitions:
		return nil, fmt.Errorf("stream %s has partitions 1 to %d, not %d", s.Name, s.Partitions, r.Partition)
	case r.Partition == 0 && s.Partitions > 0:
		return nil, fmt.Errorf("stream %s needs a partition, 1 to %d", s.Name, s.Partitions)
	case r.BackfillMinutes < 0 || r.BackfillMinutes > 5:
		return nil, fmt.Errorf("backfill takes 1 to 5 minutes, not %d", r.BackfillMinutes)
	case r.BackfillMinutes > 0 && !s.Backfill:
		return nil, fmt.Errorf("stream %s has no backfill", s.Name)
	case r.Start.IsZero() != r.End.IsZero():
		return nil, errors.New("a recovery needs a start and an end")
	case !r.Start.IsZero() && !s.Recovery:
		return nil, fmt.Errorf("stream %s has no recovery", s.Name)
	case !r.Start.IsZero() && !r.Start.Before(r.End):
		return nil, errors.New("a recovery's start is not before its end")
	case !r.Start.IsZero() && r.BackfillMinutes > 0:
		return nil, errors.New("a recovery cannot have a backfill as well")
	}
	q := make(url.Values)
	for name, value := range parameters {
		q.Set(name, value)
	}
	if s.Partitions > 0 {
		q.Set(s.Params.Partition, strconv.Itoa(r.Partition))
	}
	if r.BackfillMinutes > 0 {
		q.Set(s.Params.Backfill, strconv.Itoa(r.BackfillMinutes))
	}
	if !r.Start.IsZero() {
		setWindow(q, s.Params.Start, s.Params.End, r.Start, r.End)
	}
	u := base.JoinPath(s.Path)
	u.RawQuery = q.Encode()
	return u, nil
}

// setWindow asks for a period, rounded outward: X's times are whole seconds,
// the first of them within the period and the last not.
func setWindow(q url.Values, startName, endName string, start, end time.Time) {
	const layout = "2006-01-02T15:04:05Z"
	q.Set(startName, start.UTC().Truncate(time.Second).Format(layout))
	q.Set(endName, end.UTC().Add(time.Second-1).Truncate(time.Second).Format(layout))
}

// advice says what the user can do about a refusal of the request. Where it
// asks for more than a live stream, that is the likeliest reason.
func (r Request) advice(p *Problem) string {
	recovery := !r.Start.IsZero()
	refused := p.Class == Forbidden || p.Class == BadRequest
	switch {
	case recovery && p.Class == TooManyConnections:
		return "end other consumers that recover with the same app: X allows two recoveries at a time"
	case recovery && refused:
		return "recovery takes Enterprise access, and reaches 24 hours back: without it, turn it off"
	case r.BackfillMinutes > 0 && refused:
		return "backfill takes Enterprise access: without it, turn it off"
	}
	return p.Advice
}
