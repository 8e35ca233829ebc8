package plugin

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/simulator"
)

func dedupeOf(t *testing.T, config string, res *service.Resources) *dedupeProcessor {
	t.Helper()
	conf, err := dedupeSpec().ParseYAML(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDedupe(conf, res)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// passes processes a message with a payload, metadata by pairs, and a claim.
func passes(t *testing.T, d *dedupeProcessor, claim *dedupe.Claim, payload string, metadata ...string) bool {
	t.Helper()
	m := service.NewMessageWithContext(dedupe.WithClaim(context.Background(), claim), []byte(payload))
	for i := 0; i < len(metadata); i += 2 {
		m.MetaSetMut(metadata[i], metadata[i+1])
	}
	batch, err := d.Process(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	return len(batch) == 1
}

func TestDedupeFindsTheKey(t *testing.T) {
	const post, again = `{"data":{"id":"7","text":"a"}}`, `{"data":{"text":"b","id":"7"},"includes":{}}`
	const deletion = `{"data":{"delete":{"tweet":{"id":"7","author_id":"1"},"event_at":"2026-01-01T00:00:00.000Z"}}}`
	for name, c := range map[string]struct {
		config        string
		first, second []string // payload, metadata by pairs
		passes        bool
	}{
		"Post":                         {"{}", []string{post}, []string{again}, false},
		"another Post":                 {"{}", []string{post}, []string{`{"data":{"id":"8"}}`}, true},
		"legacy Post":                  {"{}", []string{`{"id_str":"7","text":"a"}`}, []string{`{"text":"b","id_str":"7"}`}, false},
		"Post, and its legacy form":    {"{}", []string{post}, []string{`{"id_str":"7"}`}, false},
		"Post, and x_stream's key":     {"{}", []string{post}, []string{`gone`, metaID, "7"}, false},
		"x_stream's key goes first":    {"{}", []string{post}, []string{post, metaID, "8"}, true},
		"event without a Post ID":      {"{}", []string{deletion, metaStream, "post_compliance"}, []string{deletion, metaStream, "post_compliance"}, false},
		"the same bytes, not known":    {"{}", []string{deletion}, []string{deletion}, true},
		"no key":                       {"{}", []string{`{"a":1}`}, []string{`{"a":1}`}, true},
		"no JSON":                      {"{}", []string{`hello`}, []string{`hello`}, true},
		"key of one's own":             {"key: '${! this.a }'", []string{`{"a":1,"b":1}`}, []string{`{"a":1,"b":2}`}, false},
		"empty key of one's own":       {"key: '${! this.c.or(\"\") }'", []string{`{"a":1}`}, []string{`{"a":1}`}, true},
		"number, and text beginning 0": {"key: '${! content() }'", []string{`7`}, []string{`07`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := dedupeOf(t, c.config, service.MockResources())
			if !passes(t, d, &dedupe.Claim{}, c.first[0], c.first[1:]...) {
				t.Error("the first does not pass")
			}
			if got := passes(t, d, &dedupe.Claim{}, c.second[0], c.second[1:]...); got != c.passes {
				t.Errorf("the second passes: %v, want %v", got, c.passes)
			}
		})
	}
}

func TestDedupeTellsRetriesFromDuplicates(t *testing.T) {
	const post = `{"data":{"id":"7"}}`
	d := dedupeOf(t, "{}", service.MockResources())
	claim := &dedupe.Claim{}
	for range 3 { // retries, or messages made of one event
		if !passes(t, d, claim, post) {
			t.Error("a retry is dropped")
		}
	}
	if passes(t, d, &dedupe.Claim{}, post) || passes(t, d, nil, post) {
		t.Error("a duplicate passes")
	}
	claim.Reject()
	if !passes(t, d, &dedupe.Claim{}, post) {
		t.Error("a later copy of what was rejected for good is dropped")
	}
}

func TestDedupeWithoutClaimsPassesEachKeyOnce(t *testing.T) {
	d := dedupeOf(t, "{}", service.MockResources())
	if !passes(t, d, nil, `{"data":{"id":"7"}}`) || passes(t, d, nil, `{"data":{"id":"7"}}`) {
		t.Error("not once")
	}
}

// Benthos makes a processor for each thread of a pipeline.
func TestDedupeOfAllThreadsSharesAWindow(t *testing.T) {
	res := service.MockResources()
	a, b := dedupeOf(t, "{}", res), dedupeOf(t, "{}", res)
	if !passes(t, a, &dedupe.Claim{}, `{"data":{"id":"7"}}`) || passes(t, b, &dedupe.Claim{}, `{"data":{"id":"7"}}`) {
		t.Error("the second thread does not know what passed the first")
	}
	for _, d := range []*dedupeProcessor{a, b} {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if a.window.window != nil {
		t.Error("the window outlives its processors")
	}
}

func TestDedupeOfWrongConfig(t *testing.T) {
	for name, config := range map[string]string{"capacity": "capacity: 0", "max_age": "max_age: -1s"} {
		conf, err := dedupeSpec().ParseYAML(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newDedupe(conf, service.MockResources()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// atRandom refuses a share of all messages, each time that they come.
func atRandom(share float64) func(*service.Message) error {
	r := rand.New(rand.NewPCG(1, 2))
	return func(*service.Message) error {
		if r.Float64() < share {
			return errRefused
		}
		return nil
	}
}

// Whatever the output refuses comes again through x_dedupe. A batch is sent
// again as a whole, so what it took of that batch it gets twice.
func TestNoDedupeDropsARetry(t *testing.T) {
	for name, fails := range map[string]func(w *world){
		"a third of the writes": func(w *world) { w.sink.refuseWith(atRandom(0.3)) },
		"all for a minute": func(w *world) {
			w.sink.refuseWith(func(*service.Message) error { return errRefused })
			time.AfterFunc(time.Minute, func() { w.sink.refuseWith(nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 10}, func(w *world) {
				fails(w)
				stop := w.pipeline("", "x_dedupe: {}")
				time.Sleep(2 * time.Minute)
				until := time.Now().Add(-5 * time.Second)
				w.sink.refuseWith(nil)
				time.Sleep(5 * time.Second)
				stop()
				w.missing(w.began.Add(time.Second), until)
				t.Logf("%d of %d messages came more than once", w.repeated(), w.sink.count())
			})
		})
	}
}

// The same with Benthos' own dedupe: it takes each retry for a duplicate, and
// what the output had refused is lost. Should this test fail with a later
// Benthos, x_dedupe may have become unnecessary.
func TestBenthosOwnDedupeLosesWhatTheOutputRefused(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 10}, func(w *world) {
		w.sink.refuseWith(atRandom(0.3))
		w.cache = "label: seen\nmemory: {}"
		stop := w.pipeline("", "dedupe: {cache: seen, key: '${! @x_id }'}")
		time.Sleep(2 * time.Minute)
		until := time.Now().Add(-5 * time.Second)
		stop()
		have, lost := w.sink.ids(), 0
		all := w.expected(w.began.Add(time.Second), until)
		for _, id := range all {
			if have[id] == 0 {
				lost++
			}
		}
		if lost == 0 {
			t.Error("nothing is lost")
		}
		t.Logf("%d of %d Posts are lost", lost, len(all))
	})
}

func TestMessagesMadeOfOneEventAllPass(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 5}, func(w *world) {
		w.sink.refuseWith(once("3"))
		stop := w.pipeline("", `
try:
  - mapping: 'root = [this, this]'
  - unarchive: {format: json_array}
  - x_dedupe: {}`)
		time.Sleep(time.Minute)
		until := time.Now().Add(-5 * time.Second)
		stop()
		have := w.sink.ids()
		for _, id := range w.expected(w.began.Add(time.Second), until) {
			if have[id] < 2 {
				t.Fatalf("%s came %d times, want both messages of it", id, have[id])
			}
		}
	})
}

func TestDedupeReportsAKeyThatCannotBeMade(t *testing.T) {
	d := dedupeOf(t, "key: '${! throw(\"no\") }'", service.MockResources())
	if _, err := d.Process(context.Background(), service.NewMessage([]byte("a"))); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
