package simulator

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// streamParameters is what a request for a stream asks for.
type streamParameters struct {
	partition int
	backfill  int // minutes
	recovery  bool
}

// parseStreamParameters reads a query by X's OpenAPI description. The problem
// is the first thing wrong with it.
func parseStreamParameters(st *stream, q url.Values) (streamParameters, *problem) {
	var p streamParameters
	known := []string{"backfill_minutes"}
	if st.partitions > 0 {
		known = append(known, "partition")
	}
	if st.recovery {
		known = append(known, "start_time", "end_time")
	}
	known = slices.Concat(known, slices.Sorted(maps.Keys(st.fields)))

	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			return p, invalid(name, q[name], "The query parameter [%s] is not one of %s", name, oneOf(known))
		}
	}
	number := func(name string, lowest, highest int) (int, *problem) {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < lowest || n > highest {
			return 0, invalid(name, q[name], "The `%s` query parameter value [%s] is not between %d and %d", name, q.Get(name), lowest, highest)
		}
		return n, nil
	}
	var wrong *problem
	if st.partitions > 0 {
		if !q.Has("partition") {
			return p, invalid("partition", []string{}, "The `partition` query parameter can not be empty")
		}
		if p.partition, wrong = number("partition", 1, st.partitions); wrong != nil {
			return p, wrong
		}
	}
	if q.Has("backfill_minutes") {
		if p.backfill, wrong = number("backfill_minutes", 0, 5); wrong != nil {
			return p, wrong
		}
	}
	for _, name := range []string{"start_time", "end_time"} {
		if !q.Has(name) {
			continue
		}
		p.recovery = true
		if _, err := time.Parse(time.RFC3339, q.Get(name)); err != nil {
			return p, invalid(name, q[name], "The `%s` query parameter value [%s] is not a valid RFC3339 date time", name, q.Get(name))
		}
	}
	for name, values := range st.fields {
		if !q.Has(name) {
			continue
		}
		for value := range strings.SplitSeq(q.Get(name), ",") {
			if !slices.Contains(values, value) {
				return p, invalid(name, q[name], "The `%s` query parameter value [%s] is not one of %s", name, value, oneOf(values))
			}
		}
	}
	return p, nil
}
