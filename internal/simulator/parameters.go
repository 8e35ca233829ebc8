package simulator

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parameters reads the query of a request by X's OpenAPI description. It keeps
// the first thing that is wrong.
type parameters struct {
	url.Values
	wrong *problem
}

func (p *parameters) refuse(name, format string, args ...any) {
	if p.wrong == nil {
		p.wrong = invalid(name, p.Values[name], format, args...)
	}
}

// only refuses all parameters but those that are known, and values of field
// selections that X does not have.
func (p *parameters) only(fields map[string][]string, known ...string) {
	selections := slices.Sorted(maps.Keys(fields))
	known = slices.Concat(known, selections)
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		if !slices.Contains(known, name) {
			p.refuse(name, "The query parameter [%s] is not one of %s", name, oneOf(known))
		}
	}
	for _, name := range selections {
		p.list(name, fields[name])
	}
}

// list reads comma-separated values that must be among those that are known.
func (p *parameters) list(name string, known []string) []string {
	if !p.Has(name) {
		return nil
	}
	values := strings.Split(p.Get(name), ",")
	for _, value := range values {
		if !slices.Contains(known, value) {
			p.refuse(name, "The `%s` query parameter value [%s] is not one of %s", name, value, oneOf(known))
		}
	}
	return values
}

// choice reads one of the values that are known; the first is the default.
func (p *parameters) choice(name string, known ...string) string {
	p.list(name, known)
	return cmp.Or(p.Get(name), known[0])
}

// number reads a whole number between two others.
func (p *parameters) number(name string, lowest, highest, otherwise int) int {
	if !p.Has(name) {
		return otherwise
	}
	n, err := strconv.Atoi(p.Get(name))
	if err != nil || n < lowest || n > highest {
		p.refuse(name, "The `%s` query parameter value [%s] is not between %d and %d", name, p.Get(name), lowest, highest)
		return otherwise
	}
	return n
}

// time reads a time; without the parameter it is the zero time.
func (p *parameters) time(name string) time.Time {
	if !p.Has(name) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, p.Get(name))
	if err != nil {
		p.refuse(name, "The `%s` query parameter value [%s] is not a valid RFC3339 date time", name, p.Get(name))
	}
	return t.UTC()
}

// id reads the ID of a Post; without the parameter it is 0.
func (p *parameters) id(name string) uint64 {
	if !p.Has(name) {
		return 0
	}
	id, err := strconv.ParseUint(p.Get(name), 10, 63)
	if err != nil {
		p.refuse(name, "The `%s` query parameter value [%s] does not match ^[0-9]{1,19}$", name, p.Get(name))
	}
	return id
}

// either refuses two parameters together.
func (p *parameters) either(one, other string) {
	if p.Has(one) && p.Has(other) {
		p.refuse(one, "Invalid use of '%s' in conjunction with '%s'.", one, other)
	}
}

// streamParameters is what a request for a stream asks for.
type streamParameters struct {
	partition int
	backfill  int    // minutes
	recovery  period // zero: live
}

// readStreamParameters also returns the first thing that is wrong with them.
func readStreamParameters(st *stream, values url.Values, now time.Time) (streamParameters, *problem) {
	p := &parameters{Values: values}
	known := []string{"backfill_minutes"}
	if st.partitions > 0 {
		known = append(known, "partition")
	}
	if st.recovery {
		known = append(known, "start_time", "end_time")
	}
	p.only(st.fields, known...)
	var asked streamParameters
	if st.partitions > 0 {
		if !p.Has("partition") {
			p.refuse("partition", "The `partition` query parameter can not be empty")
		}
		asked.partition = p.number("partition", 1, st.partitions, 0)
	}
	asked.backfill = p.number("backfill_minutes", 0, 5, 0)
	if st.recovery {
		asked.recovery = p.recovery(now)
	}
	return asked, p.wrong
}
