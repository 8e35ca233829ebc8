package conformance

import (
	"strings"
	"testing"
)

// What the tests of clients rest on: a part of the sequence passes, in whatever
// order, and nothing else does.
func TestUnbrokenRun(t *testing.T) {
	tests := []struct {
		name, got, want string
		complaint       string // empty: none
	}{
		{"all", "a b c d", "a b c d", ""},
		{"a part", "b c", "a b c d", ""},
		{"another order", "c b d", "a b c d", ""},
		{"missing", "a d", "a b c d", "2 Posts are missing from b on"},
		{"repeated", "a b b c", "a b c d", "post b came twice"},
		{"foreign", "a x b", "a b c d", "post x is not among the 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := unbrokenRun(strings.Fields(tt.got), strings.Fields(tt.want))
			switch {
			case err == nil && tt.complaint != "":
				t.Errorf("no complaint, want %q", tt.complaint)
			case err != nil && (tt.complaint == "" || !strings.Contains(err.Error(), tt.complaint)):
				t.Errorf("%v, want %q", err, tt.complaint)
			}
		})
	}
}
