package e2e

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/xconnect-dev/xconnect/tests/services"
)

type kafka struct{ *services.Kafka }

func startKafka(t *testing.T) kafka {
	t.Helper()
	return kafka{services.StartKafka(t)}
}

// each reads the topic from its beginning to its present end.
func (k kafka) each(t *testing.T, f func(id uint64, event []byte)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Brokers, ",")...), kgo.ConsumeTopics("posts"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "posts")
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records are left: %v", left, err)
		}
		for r := range fetches.RecordsAll() {
			left--
			id, err := postID(r.Value)
			if err != nil {
				t.Fatalf("record %.100q: %v", r.Value, err)
			}
			if string(r.Key) != strconv.FormatUint(id, 10) || !r.Timestamp.Equal(created(id)) {
				t.Errorf("Post %d has the key %s and the time %s", id, r.Key, r.Timestamp)
			}
			f(id, r.Value)
		}
	}
}

func (kafka) same(sent, stored []byte) error { return sameBytes(sent, stored) }
