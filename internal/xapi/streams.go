package xapi

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stream is one row of the catalogue: a stream is data, not a branch in code.
type Stream struct {
	Name  string // as users write it in a config
	Title string // as documentation shows it
	Path  string // below the base URL; PowerTrack's holds {account} and {label}

	Partitions int      // partitions 1..N that together are the stream; 0: none
	Params     Params   // how X spells the parameters of a request
	Fields     []string // parameters that a user may set: field selections and the like
	Format     Format   // shape of the events, which says where key and time are

	Heartbeat time.Duration // X sends at least one byte in this time
	Watchdog  time.Duration // how long to wait for a byte before the connection counts as dead
	Overlap   time.Duration // how long an event may be on its way: by this a gap is widened

	Backfill bool // X takes Params.Backfill
	Recovery bool // X takes Params.Start and Params.End
	Search   bool // the stream's rules can be searched for

	// Connections that X allows at a time to the whole stream, with the widest
	// documented access; 0: not published, or by contract.
	Connections int
	// Connects that X allows. X says the number for some streams only; the
	// others have unpublishedConnects.
	Connects Rate

	RulesPath   string // where rules are managed, below the base URL; "": the stream has none
	ruleExample string // the body of a request that adds one rule
}

// Params are the names of a request's parameters; "" where X has none.
type Params struct {
	Backfill  string // whole minutes, 1 to 5
	Start     string // YYYY-MM-DDTHH:mm:ssZ
	End       string // YYYY-MM-DDTHH:mm:ssZ
	Partition string // 1..N
}

// Rate is a number of requests in any period of a length.
type Rate struct {
	Count int
	Per   time.Duration
}

// CheckParameters says whether a user's parameters can be sent with requests
// for the stream: those that the client sets itself cannot, and neither can
// those that X does not know, for X answers them with 400.
func (s Stream) CheckParameters(parameters map[string]string) error {
	own := []string{s.Params.Backfill, s.Params.Start, s.Params.End, s.Params.Partition}
	for name := range parameters {
		switch {
		case name == "":
			return fmt.Errorf("a parameter has no name")
		case slices.Contains(own, name):
			return fmt.Errorf("parameter %q is set by xconnect itself", name)
		case !slices.Contains(s.Fields, name):
			known := "none"
			if len(s.Fields) > 0 {
				known = strings.Join(s.Fields, ", ")
			}
			return fmt.Errorf("parameter %q is unknown to stream %s, which takes: %s", name, s.Name, known)
		}
	}
	return nil
}

// Select is the partitions to read: those that were chosen, or all of the
// stream's when none was. A stream without partitions has one, 0.
func (s Stream) Select(chosen []int) []int {
	switch {
	case s.Partitions == 0:
		return []int{0}
	case len(chosen) > 0:
		return chosen
	}
	all := make([]int, s.Partitions)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Streams returns the catalogue, in the order of X's documentation.
func Streams() []Stream {
	streams := slices.Clone(catalogue)
	for i := range streams {
		streams[i].Fields = slices.Clone(streams[i].Fields)
	}
	return streams
}

// Lookup finds a stream by its name.
func Lookup(name string) (Stream, bool) {
	for _, s := range catalogue {
		if s.Name == name {
			s.Fields = slices.Clone(s.Fields)
			return s, true
		}
	}
	return Stream{}, false
}

const (
	// Heartbeats: docs.x.com, fundamentals/handling-disconnections (20 s) and
	// PowerTrack's recovery and redundancy page (10 s). The watchdogs leave
	// them five seconds to arrive.
	v2Heartbeat         = 20 * time.Second
	v2Watchdog          = 25 * time.Second
	powerTrackHeartbeat = 10 * time.Second
	powerTrackWatchdog  = 15 * time.Second

	// Delivery delay: docs.x.com, fundamentals/consuming-streaming-data. P99
	// is 6 to 7 s; on volume streams 99 % are delivered within a minute.
	selectedOverlap = 30 * time.Second
	volumeOverlap   = 120 * time.Second
)

var (
	v2Params          = Params{Backfill: "backfill_minutes", Start: "start_time", End: "end_time"}
	v2PartitionParams = Params{Backfill: "backfill_minutes", Start: "start_time", End: "end_time", Partition: "partition"}
	sampleParams      = Params{Backfill: "backfill_minutes"}
	legacyParams      = Params{Backfill: "backfillMinutes", Start: "startTime", End: "endTime"}

	postFields = []string{"tweet.fields", "expansions", "media.fields", "poll.fields", "user.fields", "place.fields"}
	likeFields = []string{"like_with_tweet_author.fields", "expansions", "media.fields", "user.fields", "tweet.fields"}

	// unpublishedConnects stands in where X publishes no number: it is the
	// lowest that X publishes for any v2 stream.
	unpublishedConnects = Rate{50, 15 * time.Minute}
)

// catalogue holds paths, partitions and parameters from X's OpenAPI
// description (version 2.167), and connects and connections from docs.x.com:
// fundamentals/rate-limits and fundamentals/recovery-and-redundancy.
var catalogue = []Stream{
	{
		Name: "filtered", Title: "Filtered stream", Path: "/2/tweets/search/stream",
		Params: v2Params, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: selectedOverlap,
		Backfill: true, Recovery: true, Search: true,
		Connections: 2, Connects: Rate{50, 15 * time.Minute},
		RulesPath: "/2/tweets/search/stream/rules", ruleExample: `{"add":[{"value":"cat has:images"}]}`,
	},
	{
		Name: "sample", Title: "Sampled stream (1 %)", Path: "/2/tweets/sample/stream",
		Params: sampleParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill:    true,
		Connections: 2, Connects: unpublishedConnects,
	},
	{
		Name: "sample10", Title: "Sampled stream (10 %, Decahose)", Path: "/2/tweets/sample10/stream",
		Partitions: 2, Params: v2PartitionParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		// One page of X says 100 connects, another 50: the lower one is safe.
		Connections: 2, Connects: Rate{50, 15 * time.Minute},
	},
	{
		Name: "firehose", Title: "Firehose", Path: "/2/tweets/firehose/stream",
		Partitions: 20, Params: v2PartitionParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connections: 20, Connects: unpublishedConnects,
	},
	{
		Name: "firehose_en", Title: "Firehose of English Posts", Path: "/2/tweets/firehose/stream/lang/en",
		Partitions: 8, Params: v2PartitionParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "firehose_ja", Title: "Firehose of Japanese Posts", Path: "/2/tweets/firehose/stream/lang/ja",
		Partitions: 2, Params: v2PartitionParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "firehose_ko", Title: "Firehose of Korean Posts", Path: "/2/tweets/firehose/stream/lang/ko",
		Partitions: 2, Params: v2PartitionParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "firehose_pt", Title: "Firehose of Portuguese Posts", Path: "/2/tweets/firehose/stream/lang/pt",
		Partitions: 2, Params: v2PartitionParams, Fields: postFields, Format: Post,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "likes_firehose", Title: "Firehose of likes", Path: "/2/likes/firehose/stream",
		Partitions: 20, Params: v2PartitionParams, Fields: likeFields, Format: Like,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "likes_sample10", Title: "Sampled likes (10 %)", Path: "/2/likes/sample10/stream",
		Partitions: 2, Params: v2PartitionParams, Fields: likeFields, Format: Like,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "post_compliance", Title: "Post compliance", Path: "/2/tweets/compliance/stream",
		Partitions: 4, Params: v2PartitionParams, Format: PostCompliance,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "user_compliance", Title: "User compliance", Path: "/2/users/compliance/stream",
		Partitions: 4, Params: v2PartitionParams, Format: UserCompliance,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "like_compliance", Title: "Like compliance", Path: "/2/likes/compliance/stream",
		Params: v2Params, Format: LikeCompliance,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		Name: "post_labels", Title: "Post labels", Path: "/2/tweets/label/stream",
		Params: v2Params, Format: PostLabel,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: volumeOverlap,
		Backfill: true, Recovery: true,
		Connects: unpublishedConnects,
	},
	{
		// Activity is selected by subscriptions and delivered within a second
		// (docs.x.com, activity/introduction): no volume stream.
		Name: "activity", Title: "Account activity", Path: "/2/activity/stream",
		Params: v2Params, Format: Activity,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: selectedOverlap,
		Backfill: true, Recovery: true,
		Connections: 2, Connects: Rate{450, 15 * time.Minute},
	},
	{
		Name: "powerstream", Title: "Powerstream", Path: "/2/powerstream",
		Params: legacyParams, Fields: []string{"localDcOnly"}, Format: LegacyPost,
		Heartbeat: v2Heartbeat, Watchdog: v2Watchdog, Overlap: selectedOverlap,
		Backfill: true, Recovery: true,
		Connects:  unpublishedConnects,
		RulesPath: "/2/powerstream/rules", ruleExample: `{"rules":[{"value":"cat has:images"}]}`,
	},
	{
		// Served by https://gnip-stream.twitter.com; its rules live on another
		// host, so that no path below the base URL leads to them.
		Name: "powertrack", Title: "PowerTrack (legacy enterprise)",
		Path:   "/stream/powertrack/accounts/{account}/publishers/twitter/{label}.json",
		Params: legacyParams, Format: LegacyPost,
		Heartbeat: powerTrackHeartbeat, Watchdog: powerTrackWatchdog, Overlap: selectedOverlap,
		Backfill: true, Recovery: true,
		Connects: Rate{60, time.Minute},
	},
}
