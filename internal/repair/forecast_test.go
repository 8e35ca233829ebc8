package repair

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Twenty partitions miss twenty hours, and X replays at twice the speed: most
// of it expires. What does is known to the minute when the first window has
// ended, hours before.
func TestForecastOfALossToTheMinute(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Backfill, Recovery}})
	w.speed = 2
	for partition := range 20 {
		w.gap(partition, 20*time.Hour, time.Hour/2)
	}
	w.run(w.now.Add(2 * day))
	if len(w.forecasts) != 1 || len(w.announced) != 20 {
		t.Fatalf("%d forecasts, %d announcements", len(w.forecasts), len(w.announced))
	}
	a := w.announced[0]
	if want := (Share{Method: Recovery, Time: 19*time.Hour + 30*time.Minute, Requests: 10}); len(a.Shares) != 1 || a.Shares[0] != want {
		t.Errorf("announced %+v", a)
	}
	f, at := w.forecasts[0], w.forecast[0]
	if late := at.Sub(epoch); late < time.Hour || late > time.Hour+time.Second || f.Speed < 1.99 || f.Speed > 2.01 {
		t.Errorf("after %v: %+v", late, f)
	}
	if at.After(w.lost[0].From.Add(recoveryReach)) {
		t.Errorf("told at %v, when %v had expired", at, w.lost[0])
	}
	said, gone := map[int]*coverage.Set{}, map[int]*coverage.Set{}
	for partition := range 20 {
		if n := len(w.ledgers[partition].Snapshot().Losses); n >= coverage.MaxEntries/5 {
			t.Errorf("%d losses of partition %d", n, partition)
		}
		said[partition], gone[partition] = new(coverage.Set), new(coverage.Set)
	}
	var expires, lost time.Duration
	for _, l := range f.Expires {
		said[l.Partition].Add(l.Interval)
		expires += l.Duration()
	}
	for _, l := range w.lost {
		gone[l.Partition].Add(l.Interval)
		lost += l.Duration()
		if l.Reason != Expired {
			t.Errorf("%v", l)
		}
	}
	for partition := range 20 {
		a, b := said[partition].Intervals(), gone[partition].Intervals()
		if len(a) != len(b) {
			t.Errorf("partition %d: said %v, lost %v", partition, a, b)
			continue
		}
		for n := range a {
			if (a[n].From.Sub(b[n].From)).Abs() > time.Minute || (a[n].To.Sub(b[n].To)).Abs() > time.Minute {
				t.Errorf("partition %d: said %v, lost %v", partition, a[n], b[n])
			}
		}
	}
	// 2 jobs at twice the speed bring 4 h an hour until all has expired.
	if brought, _ := total(w.asked, Recovery); brought < 90*time.Hour || brought > 96*time.Hour || lost < 290*time.Hour {
		t.Errorf("brought %v, lost %v", brought, lost)
	}
}

func TestForecastIsRepeatedWhenTheSpeedChanges(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery}})
	w.gap(0, 22*time.Hour, time.Hour)
	w.run(w.now.Add(31 * time.Minute)) // 4 or 6 windows of 12 minutes
	if len(w.forecasts) != 1 || w.forecasts[0].Rest != 19*time.Hour || len(w.forecasts[0].Expires) != 0 {
		t.Fatalf("forecasts %+v", w.forecasts)
	}
	if needs := w.forecasts[0].Needs; needs < 50*time.Minute || needs > 72*time.Minute {
		t.Errorf("needs %v", needs)
	}
	w.speed = 4
	w.run(w.now.Add(day))
	if n := len(w.forecasts); n < 2 || n > 4 || w.forecasts[n-1].Speed > 7 {
		t.Errorf("%d forecasts, the last %+v", n, w.forecasts[n-1])
	}
}

func TestShortRepairNeedsNoForecast(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery}})
	w.gap(0, 150*time.Minute, time.Hour)
	w.gap(1, 3*time.Hour, 2*time.Hour)
	w.run(w.now.Add(day))
	if len(w.forecasts) != 0 || len(w.announced) != 2 {
		t.Errorf("%v, %v", w.forecasts, w.announced)
	}
}
