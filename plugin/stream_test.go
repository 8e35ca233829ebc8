package plugin

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

func TestPostsArriveWithTheirMetadata(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 20}, func(w *world) {
		w.sink.keep = true
		stop := w.pipeline("", "")
		time.Sleep(time.Minute)
		stop()
		w.missing(w.began.Add(time.Second), w.began.Add(59*time.Second))
		w.noRepeats()
		m := w.sink.messages[0]
		for key, want := range map[string]string{metaStream: "filtered", metaPartition: "1", metaSource: "live"} {
			if got, _ := m.MetaGet(key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		created, err := time.Parse(time.RFC3339, meta(m, metaCreatedAt))
		if err != nil {
			t.Error(err)
		}
		received, err := time.Parse(time.RFC3339, meta(m, metaReceivedAt))
		if err != nil {
			t.Error(err)
		}
		if late := received.Sub(created); late < 0 || late > 10*time.Second {
			t.Errorf("received %v after its creation", late)
		}
		body, err := m.AsStructured()
		if err != nil {
			t.Fatal(err)
		}
		if id := body.(map[string]any)["data"].(map[string]any)["id"]; id != meta(m, metaID) {
			t.Errorf("%s is %s, the Post's ID is %s", metaID, meta(m, metaID), id)
		}
	})
}
