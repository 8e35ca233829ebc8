package dedupe

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func window(t *testing.T, capacity int, maxAge time.Duration) *Window {
	t.Helper()
	w, err := NewWindow(capacity, maxAge)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func ids(from, to uint64) []Key {
	var keys []Key
	for id := from; id < to; id++ {
		keys = append(keys, Snowflake(id))
	}
	return keys
}

func TestVerdicts(t *testing.T) {
	w := window(t, 100, 0)
	first, second := &Claim{}, &Claim{}
	k := ids(1, 2)
	for _, step := range []struct {
		what  string
		claim *Claim
		do    func()
		want  Verdict
	}{
		{"first sight", first, nil, New},
		{"the same claim again", first, nil, Retry},
		{"another claim", second, nil, Duplicate},
		{"the first claim after the other", first, nil, Retry},
		{"another claim once the first is rejected", second, first.Reject, New},
		{"the rejected claim's retry, now a copy of what passed since", first, nil, Duplicate},
		{"the claim that passed", second, nil, Retry},
	} {
		if step.do != nil {
			step.do()
		}
		if got := w.Judge(now, step.claim, k, nil); !slices.Equal(got, []Verdict{step.want}) {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
}

func TestSecondCopyInOneReadIsTold(t *testing.T) {
	w := window(t, 100, 0)
	k := Snowflake(7)
	if got, want := w.Judge(now, &Claim{}, []Key{k, k}, nil), []Verdict{New, Retry}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestOldestKeyIsForgottenFirst(t *testing.T) {
	w := window(t, 10, 0)
	w.Judge(now, &Claim{}, ids(0, 10), nil)
	w.Judge(now, &Claim{}, ids(0, 1), nil)   // a repeat makes it recent
	w.Judge(now, &Claim{}, ids(10, 11), nil) // pushes one out
	if got := w.Judge(now, &Claim{}, ids(0, 2), nil); !slices.Equal(got, []Verdict{Duplicate, New}) {
		t.Errorf("verdicts %v: the key that was not seen again should be gone", got)
	}
	if w.seen.Len() != 10 {
		t.Errorf("%d keys, want 10", w.seen.Len())
	}
}

func TestKeyOlderThanMaxAgeIsNew(t *testing.T) {
	w := window(t, 10, time.Minute)
	w.Judge(now, &Claim{}, ids(1, 2), nil)
	if got := w.Judge(now.Add(59*time.Second), &Claim{}, ids(1, 2), nil); got[0] != Duplicate {
		t.Errorf("before its age: %v", got)
	}
	if got := w.Judge(now.Add(time.Minute), &Claim{}, ids(1, 2), nil); got[0] != New {
		t.Errorf("at its age, counted from the first sight: %v", got)
	}
}

func TestKeysOfDifferentKindsDiffer(t *testing.T) {
	keys := map[Key]string{}
	for n := range uint64(1000) {
		for _, k := range []Key{Snowflake(n), Text([]byte(strconv.FormatUint(n, 10))), Text([]byte("delete:" + strconv.FormatUint(n, 10)))} {
			if old, ok := keys[k]; ok {
				t.Fatalf("%d shares its key with %s", n, old)
			}
			keys[k] = fmt.Sprint(n)
		}
	}
}

func TestClaimTravelsInContext(t *testing.T) {
	if ClaimOf(context.Background()) != nil {
		t.Error("a claim out of nowhere")
	}
	c := &Claim{}
	ctx, cancel := context.WithCancel(WithClaim(context.Background(), c))
	defer cancel()
	if ClaimOf(ctx) != c {
		t.Error("the claim got lost")
	}
}

func TestCapacityBelowOneIsAnError(t *testing.T) {
	if _, err := NewWindow(0, 0); err == nil {
		t.Error("no error")
	}
}

func BenchmarkWindow(b *testing.B) {
	for _, capacity := range []int{10_000, 1_000_000} {
		b.Run(strconv.Itoa(capacity), func(b *testing.B) {
			w, _ := NewWindow(capacity, 0)
			claim := &Claim{}
			var verdicts []Verdict
			id := uint64(1)
			for ; id < uint64(capacity); id++ {
				w.Judge(now, claim, ids(id<<22, id<<22+1), nil)
			}
			keys := make([]Key, 64)
			b.ResetTimer()
			for n := 0; n < b.N; n += len(keys) {
				for i := range keys {
					id++
					keys[i] = Snowflake(id << 22)
				}
				verdicts = w.Judge(now, claim, keys, verdicts[:0])
			}
		})
	}
}
