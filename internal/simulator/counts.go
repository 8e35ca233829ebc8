package simulator

import (
	"net/http"
	"time"
)

// bucket is the number of Posts created in one piece of a period. X's OpenAPI
// description and its documentation name the number differently: it has both.
type bucket struct {
	Start  string `json:"start"`
	End    string `json:"end"`
	Posts  int    `json:"post_count"`
	Tweets int    `json:"tweet_count"`
}

// granularities are the lengths of buckets; the first is the default.
var granularities = []string{"hour", "minute", "day"}

var granularity = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// getCounts answers how many Posts a recent search would find, by the minute,
// hour or day of their creation. Seven days fit one answer, so there are no
// tokens.
func (s *Simulator) getCounts(w http.ResponseWriter, r *http.Request) {
	recent, _ := lookupSearch("recent")
	now := time.Now()
	p := &parameters{Values: r.URL.Query()}
	p.only(map[string][]string{"search_count.fields": {"end", "start", "post_count", "tweet_count"}},
		append([]string{"granularity"}, searchParameters...)...)
	length := granularity[p.choice("granularity", granularities...)]
	chosen := p.searched(recent, now)
	find := s.readQuery(p, recent)
	at := p.position(chosen, s.history.slotAfter(chosen.to), now)
	if p.wrong != nil {
		p.wrong.write(w)
		return
	}

	start, end := time.Unix(0, at.from).UTC(), time.Unix(0, at.to).UTC()
	first := start.Truncate(length)
	buckets := make([]bucket, (end.Sub(first)+length-1)/length)
	for i := range buckets {
		// The first and the last are cut where the period begins and ends.
		from := first.Add(time.Duration(i) * length)
		to := from.Add(length)
		if from.Before(start) {
			from = start
		}
		if to.After(end) {
			to = end
		}
		buckets[i].Start, buckets[i].End = from.Format(createdFormat), to.Format(createdFormat)
	}
	total := 0
	for post := range s.history.found(r.Context(), find, at) {
		b := &buckets[time.Unix(0, post.created).Sub(first)/length]
		b.Posts++
		b.Tweets++
		total++
	}
	writeJSON(w, streamType, http.StatusOK, map[string]any{
		"data": buckets,
		"meta": map[string]int{"total_post_count": total, "total_tweet_count": total},
	})
}
