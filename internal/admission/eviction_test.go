package admission

import "testing"

func TestEviction(t *testing.T) {
	type step struct {
		what       string
		connection int
		at         float64
		want       bool
	}
	for name, steps := range map[string][]step{
		"X ends the old one each time": {{"open", 1, 0, false}, {"open", 2, 1, false}, {"end", 1, 1, false}, {"open", 1, 3, false}, {"end", 2, 2.5, true}},
		"a coincidence":                {{"open", 1, 0, false}, {"open", 2, 1, false}, {"end", 1, 1, false}, {"open", 1, 3, false}, {"end", 2, 30, false}, {"open", 2, 31, false}, {"end", 1, 31, false}},
		"ends of one's own":            {{"open", 1, 0, false}, {"end", 1, 1, false}, {"open", 1, 2, false}, {"end", 1, 3, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var e eviction
			for _, s := range steps {
				if s.what == "open" {
					e.opened(s.connection, sec(s.at))
				} else if got := e.ended(s.connection, sec(s.at)); got != s.want {
					t.Errorf("connection %d ends at %v: %v, want %v", s.connection, s.at, got, s.want)
				}
			}
		})
	}
}
