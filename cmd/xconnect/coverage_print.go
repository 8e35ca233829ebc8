package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// printAccounts writes a table for each partition.
func printAccounts(out io.Writer, kept []accounted, now time.Time) error {
	for n, a := range kept {
		if n > 0 {
			fmt.Fprintln(out)
		}
		if err := printAccount(out, a, now); err != nil {
			return err
		}
	}
	return nil
}

func printAccount(out io.Writer, a accounted, now time.Time) error {
	fmt.Fprintf(out, "%s: stream %s of %s, partition %d, saved at %s (%s ago)\n",
		a.Key, a.Identity.Stream, a.Identity.Host, max(a.Identity.Partition, 1), clock(a.SavedAt), length(now.Sub(a.SavedAt)))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what string, i coverage.Interval, more string) {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s", what, clock(i.From), clock(i.To), length(i.Duration()))
		if more != "" {
			fmt.Fprintf(table, "\t%s", more)
		}
		fmt.Fprintln(table)
	}
	r := a.account
	for _, i := range r.Covered() {
		row("covered", i, "")
	}
	for _, i := range r.Gaps(now) {
		row("gap", i, length(now.Sub(i.From))+" old")
	}
	for _, j := range r.Jobs {
		row("job", j.Window, fmt.Sprintf("%s since %s, has reached %s, %d events", j.Method, clock(j.Since), clock(j.Reached), j.Events))
	}
	for _, s := range r.Searches {
		more := "with all rules"
		if len(s.Left) > 0 {
			more = "left out: " + strings.Join(s.Left, "; ")
		}
		row("searched", s.Interval, more)
	}
	for _, loss := range r.Losses {
		row("lost", loss.Interval, loss.Reason)
	}
	for _, rejected := range r.Rejections {
		row("rejected", coverage.Interval{From: rejected.Oldest, To: rejected.Newest}, fmt.Sprintf("%d events", rejected.Events))
	}
	fmt.Fprintf(table, "  in all\t%s\n", strings.Join(totals(a, now), ", "))
	return table.Flush()
}

// totals sum up what the rows of an account show, and what was lost before
// the oldest of them.
func totals(a accounted, now time.Time) []string {
	r := a.account
	all := []string{"covered " + length(total(r.Covered())), "gaps " + length(total(r.Gaps(now)))}
	if len(r.Searches) > 0 {
		all = append(all, "searched "+length(r.Ledger().SearchedTime()))
	}
	for _, reason := range slices.Sorted(maps.Keys(r.LostSeconds)) {
		all = append(all, fmt.Sprintf("lost %s (%s)", length(seconds(r.LostSeconds[reason])), reason))
	}
	if len(r.Rejections) > 0 {
		events := 0
		for _, rejected := range r.Rejections {
			events += rejected.Events
		}
		all = append(all, fmt.Sprintf("rejected %d events", events))
	}
	return all
}

// accountJSON is an account for machines.
type accountJSON struct {
	Key            string               `json:"key"`
	Host           string               `json:"host"`
	Stream         string               `json:"stream"`
	Partition      int                  `json:"partition"`
	SavedAt        time.Time            `json:"saved_at"`
	Start          time.Time            `json:"start"`
	Covered        []coverage.Interval  `json:"covered"`
	CoveredSeconds float64              `json:"covered_seconds"`
	Gaps           []coverage.Interval  `json:"gaps"`
	GapSeconds     float64              `json:"gap_seconds"`
	Jobs           []account.Work       `json:"jobs"` // that were running when it was saved
	Searched       []coverage.Search    `json:"searched"`
	Lost           []coverage.Loss      `json:"lost"`
	LostSeconds    map[string]float64   `json:"lost_seconds,omitempty"` // by reason
	Rejected       []coverage.Rejection `json:"rejected"`
}

// printJSON writes an array with an object for each partition.
func printJSON(out io.Writer, kept []accounted, now time.Time) error {
	all := make([]accountJSON, 0, len(kept))
	for _, a := range kept {
		r := a.account
		covered, gaps := r.Covered(), r.Gaps(now)
		all = append(all, accountJSON{
			Key: a.Key, Host: a.Identity.Host, Stream: a.Identity.Stream, Partition: max(a.Identity.Partition, 1),
			SavedAt: a.SavedAt, Start: r.Start,
			Covered: some(covered), CoveredSeconds: total(covered).Seconds(),
			Gaps: some(gaps), GapSeconds: total(gaps).Seconds(),
			Jobs:     some(r.Jobs),
			Searched: some(r.Searches), Lost: some(r.Losses), LostSeconds: r.LostSeconds, Rejected: some(r.Rejections),
		})
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

// some is a list that JSON shows as [] when it is empty.
func some[T any](list []T) []T { return append([]T{}, list...) }

func total(periods []coverage.Interval) (d time.Duration) {
	for _, i := range periods {
		d += i.Duration()
	}
	return d
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// length shows a duration in seconds, and one shorter than that more exactly.
func length(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
