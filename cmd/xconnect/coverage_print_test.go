package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/checkpoint"
	"github.com/xconnect-dev/xconnect/internal/coverage"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func minutes(from, to int) coverage.Interval {
	return coverage.Interval{From: noon.Add(time.Duration(from) * time.Minute), To: noon.Add(time.Duration(to) * time.Minute)}
}

// eventful is an account in which everything has happened, saved by a machine
// in another zone.
func eventful(t *testing.T) accounted {
	t.Helper()
	l := coverage.NewLedger(noon.In(time.FixedZone("", 3600)))
	l.Received(minutes(0, 10))
	l.Deliver(minutes(0, 10))
	l.Lost(minutes(10, 12), "no_method")
	l.Searched(coverage.Search{Interval: minutes(12, 15), Left: []string{"rule 7: search does not have bio:"}})
	l.Received(minutes(15, 20))
	l.Deliver(minutes(15, 20))
	l.Uncover(minutes(19, 20))
	l.Rejected(noon.Add(time.Minute), noon.Add(2*time.Minute), 4)
	payload, err := json.Marshal(account.Record{Snapshot: l.Snapshot(), Jobs: []account.Work{
		{Method: "recovery", Window: minutes(19, 22), Since: noon.Add(23 * time.Minute), Reached: noon.Add(21 * time.Minute), Events: 9}}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := readAccount(checkpoint.Saved{Key: "x_stream.3", SavedAt: noon.Add(20 * time.Minute), Payload: payload,
		Identity: checkpoint.Identity{Host: "api.x.com", Stream: "firehose", Partition: 3}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPrintAccounts(t *testing.T) {
	var out strings.Builder
	if err := printAccounts(&out, []accounted{eventful(t)}, noon.Add(25*time.Minute)); err != nil {
		t.Fatal(err)
	}
	const want = `x_stream.3: stream firehose of api.x.com, partition 3, saved at 2026-11-22T12:20:00Z (5m0s ago)
  covered   2026-11-22T12:00:00Z  2026-11-22T12:10:00Z  10m0s
  covered   2026-11-22T12:15:00Z  2026-11-22T12:19:00Z  4m0s
  gap       2026-11-22T12:19:00Z  2026-11-22T12:25:00Z  6m0s  6m0s old
  job       2026-11-22T12:19:00Z  2026-11-22T12:22:00Z  3m0s  recovery since 2026-11-22T12:23:00Z, has reached 2026-11-22T12:21:00Z, 9 events
  searched  2026-11-22T12:12:00Z  2026-11-22T12:15:00Z  3m0s  left out: rule 7: search does not have bio:
  lost      2026-11-22T12:10:00Z  2026-11-22T12:12:00Z  2m0s  no_method
  rejected  2026-11-22T12:01:00Z  2026-11-22T12:02:00Z  1m0s  4 events
  in all    covered 14m0s, gaps 6m0s, searched 3m0s, lost 2m0s (no_method), rejected 4 events
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPrintJSON(t *testing.T) {
	var out strings.Builder
	if err := printJSON(&out, []accounted{eventful(t)}, noon.Add(25*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "+01:00") {
		t.Errorf("a time is not UTC in\n%s", &out)
	}
	var got []accountJSON
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("%d objects", len(got))
	}
	a := got[0]
	if a.Key != "x_stream.3" || a.Host != "api.x.com" || a.Stream != "firehose" || a.Partition != 3 || !a.Start.Equal(noon) {
		t.Errorf("%+v", a)
	}
	if len(a.Covered) != 2 || a.CoveredSeconds != 840 || len(a.Gaps) != 1 || a.Gaps[0] != minutes(19, 25) || a.GapSeconds != 360 {
		t.Errorf("covered %v, gaps %v", a.Covered, a.Gaps)
	}
	if len(a.Jobs) != 1 || a.Jobs[0].Window != minutes(19, 22) || a.Jobs[0].Events != 9 {
		t.Errorf("jobs %v", a.Jobs)
	}
	if len(a.Lost) != 1 || a.LostSeconds["no_method"] != 120 || len(a.Searched) != 1 || a.Searched[0].Interval != minutes(12, 15) || len(a.Rejected) != 1 || a.Rejected[0].Events != 4 {
		t.Errorf("lost %v, %v, searched %v, rejected %v", a.Lost, a.LostSeconds, a.Searched, a.Rejected)
	}
}

func TestCheckpointWithoutPayloadIsNone(t *testing.T) {
	if _, err := readAccount(checkpoint.Saved{Key: "x_stream.1"}); err == nil || !strings.Contains(err.Error(), "x_stream.1") {
		t.Errorf("%v", err)
	}
}

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                 "0s",
		1_500 * time.Microsecond:          "2ms",
		1_400 * time.Millisecond:          "1s",
		26*time.Hour + 10*time.Second + 1: "26h0m10s",
	} {
		if got := length(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
