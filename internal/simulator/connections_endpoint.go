package simulator

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

// historyEntry is a connection as X lists it.
type historyEntry struct {
	ID           string    `json:"id"`
	Endpoint     string    `json:"endpoint_name"`
	Connected    time.Time `json:"connected_at"`
	Disconnected time.Time `json:"disconnected_at,omitzero"`
	Reason       string    `json:"disconnect_reason,omitempty"`
	ClientIP     string    `json:"client_ip"`
}

var connectionFields = map[string][]string{
	"connection.fields": {"client_ip", "connected_at", "disconnect_reason", "disconnected_at", "endpoint_name", "id"},
}

// uuid names a connection by its number.
func uuid(id int64) string {
	a, b := mix(uint64(id)), mix(mix(uint64(id)))
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffff_ffff_ffff)
}

// history lists the connections that are open and those that have ended, the
// newest first.
func (a *account) history() (active, inactive []historyEntry) {
	for _, c := range slices.Backward(a.connections()) {
		active = append(active, historyEntry{ID: uuid(c.id), Endpoint: c.stream.endpoint, Connected: c.opened.UTC(), ClientIP: "127.0.0.1"})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range slices.Backward(a.past) {
		inactive = append(inactive, historyEntry{ID: uuid(p.id), Endpoint: p.stream.endpoint, Connected: p.opened.UTC(),
			Disconnected: p.closed.UTC(), Reason: string(p.why), ClientIP: "127.0.0.1"})
	}
	return active, inactive
}

// getConnections lists connections: the active ones unless asked otherwise.
func (s *Simulator) getConnections(w http.ResponseWriter, r *http.Request) {
	p := &parameters{Values: r.URL.Query()}
	p.only(connectionFields, "status", "endpoints", "max_results", "pagination_token")
	status := p.choice("status", "active", "inactive", "all")
	endpoints := p.list("endpoints", endpointNames())
	size := p.number("max_results", 1, 100, 10)
	start := p.number("pagination_token", 0, math.MaxInt32, 0)
	if p.wrong != nil {
		p.wrong.write(w)
		return
	}
	list, inactive := s.account.history()
	switch status {
	case "inactive":
		list = inactive
	case "all":
		list = append(list, inactive...)
	}
	if endpoints != nil {
		list = slices.DeleteFunc(list, func(e historyEntry) bool { return !slices.Contains(endpoints, e.Endpoint) })
	}
	list, next := cut(list, start, size)
	meta := map[string]any{"result_count": len(list)}
	if next != "" {
		meta["next_token"] = next
	}
	writeJSON(w, streamType, http.StatusOK, map[string]any{"data": list, "meta": meta})
}

// cut returns one page of a list, and the token of the next.
func cut[T any](list []T, start, size int) (page []T, next string) {
	start = min(start, len(list))
	end := min(start+size, len(list))
	if end < len(list) {
		next = fmt.Sprintf("%016d", end) // X's tokens of rules have 16 characters
	}
	return list[start:end], next
}

// endpointNames are what X calls the streams here.
func endpointNames() []string {
	var names []string
	for _, st := range streams {
		if st.endpoint != "" {
			names = append(names, st.endpoint)
		}
	}
	return names
}

// maxTerminationBody bounds a request that ends connections.
const maxTerminationBody = 64 << 10

// termination is what became of a connection that was to be ended.
type termination struct {
	UUID    string `json:"uuid"`
	Success bool   `json:"success"`
	Error   string `json:"error_message,omitempty"`
}

// deleteConnections ends the connections of some UUIDs.
func (s *Simulator) deleteConnections(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		UUIDs []string `json:"uuids"`
	}
	body, err := readAll(w, r, maxTerminationBody)
	if err == nil {
		err = unmarshalStrict(body, &asked)
	}
	if n := len(asked.UUIDs); err == nil && (n < 1 || n > 100) {
		err = fmt.Errorf("uuids: %d are not 1 to 100", n)
	}
	if err != nil {
		invalid("", nil, "the request is not what it should be: %v", err).write(w)
		return
	}
	ended := s.terminate(func(c *connection) bool { return slices.Contains(asked.UUIDs, uuid(c.id)) })
	for _, id := range asked.UUIDs {
		if !slices.ContainsFunc(ended, func(t termination) bool { return t.UUID == id }) {
			ended = append(ended, termination{UUID: id, Error: "no such connection is active"})
		}
	}
	writeTerminations(w, ended)
}

func (s *Simulator) deleteAllConnections(w http.ResponseWriter, _ *http.Request) {
	writeTerminations(w, s.terminate(func(*connection) bool { return true }))
}

func (s *Simulator) deleteStreamConnections(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("endpoint_id")
	if !slices.Contains(endpointNames(), name) {
		invalid("endpoint_id", []string{name}, "The `endpoint_id` path parameter value [%s] is not one of %s", name, oneOf(endpointNames())).write(w)
		return
	}
	writeTerminations(w, s.terminate(func(c *connection) bool { return c.stream.endpoint == name }))
}

// terminate ends connections in X's name.
func (s *Simulator) terminate(chosen func(*connection) bool) []termination {
	var ended []termination
	for _, c := range s.account.connections() {
		if chosen(c) {
			c.stop(reasonTerminated)
			ended = append(ended, termination{UUID: uuid(c.id), Success: true})
		}
	}
	return ended
}

func writeTerminations(w http.ResponseWriter, ended []termination) {
	killed := 0
	for _, t := range ended {
		if t.Success {
			killed++
		}
	}
	writeJSON(w, streamType, http.StatusOK, map[string]any{"data": map[string]any{
		"successful_kills": killed, "failed_kills": len(ended) - killed, "results": ended,
	}})
}
