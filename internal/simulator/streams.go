package simulator

import "slices"

// stream is one of X's streams, from X's OpenAPI description (version 2.167).
type stream struct {
	name        string
	endpoint    string // what /2/connections calls it
	path        string
	partitions  int // 0: none
	connections int // that X allows at a time on the whole stream
	connects    int // that X allows in 15 minutes; 50 where X publishes none
	recovery    bool
	fields      map[string][]string // field selections and their values
	posts       bool                // this simulator serves it
	rules       bool
	lang        string // only Posts in this language
	every       uint64 // one Post in so many
}

var streams = []*stream{
	{name: "filtered", endpoint: "filtered_stream", path: "/2/tweets/search/stream", connections: 2, connects: 50, recovery: true, fields: postFields, posts: true, rules: true},
	{name: "sample", endpoint: "sample_stream", path: "/2/tweets/sample/stream", connections: 2, connects: 50, fields: postFields, posts: true, every: 100},
	{name: "sample10", endpoint: "sample10_stream", path: "/2/tweets/sample10/stream", partitions: 2, connections: 2, connects: 50, recovery: true, fields: postFields, posts: true, every: 10},
	{name: "firehose", endpoint: "firehose_stream", path: "/2/tweets/firehose/stream", partitions: 20, connections: 20, connects: 50, recovery: true, fields: postFields, posts: true},
	{name: "firehose_en", endpoint: "firehose_stream_lang_en", path: "/2/tweets/firehose/stream/lang/en", partitions: 8, connections: 8, connects: 50, recovery: true, fields: postFields, posts: true, lang: "en"},
	{name: "firehose_ja", endpoint: "firehose_stream_lang_ja", path: "/2/tweets/firehose/stream/lang/ja", partitions: 2, connections: 2, connects: 50, recovery: true, fields: postFields, posts: true, lang: "ja"},
	{name: "firehose_ko", endpoint: "firehose_stream_lang_ko", path: "/2/tweets/firehose/stream/lang/ko", partitions: 2, connections: 2, connects: 50, recovery: true, fields: postFields, posts: true, lang: "ko"},
	{name: "firehose_pt", endpoint: "firehose_stream_lang_pt", path: "/2/tweets/firehose/stream/lang/pt", partitions: 2, connections: 2, connects: 50, recovery: true, fields: postFields, posts: true, lang: "pt"},
	{name: "likes_firehose", endpoint: "likes_firehose_stream", path: "/2/likes/firehose/stream", partitions: 20, connections: 20, connects: 50, recovery: true},
	{name: "likes_sample10", endpoint: "likes_sample10_stream", path: "/2/likes/sample10/stream", partitions: 2, connections: 2, connects: 50, recovery: true},
	{name: "post_compliance", endpoint: "tweets_compliance_stream", path: "/2/tweets/compliance/stream", partitions: 4, connections: 4, connects: 50, recovery: true},
	{name: "user_compliance", endpoint: "users_compliance_stream", path: "/2/users/compliance/stream", partitions: 4, connections: 4, connects: 50, recovery: true},
	{name: "like_compliance", endpoint: "likes_compliance_stream", path: "/2/likes/compliance/stream", connections: 1, connects: 50, recovery: true},
	{name: "post_labels", endpoint: "tweet_label_stream", path: "/2/tweets/label/stream", connections: 1, connects: 50, recovery: true},
	{name: "activity", path: "/2/activity/stream", connections: 2, connects: 450, recovery: true},
	{name: "powerstream", path: "/2/powerstream", connections: 2, connects: 50, recovery: true},
}

// postFields are the field selections of streams that carry Posts. They are
// checked as X does, and otherwise without effect: every Post carries all the
// fields that the simulator knows.
var postFields = map[string][]string{
	"tweet.fields": {"article", "attachments", "author_id", "card_uri", "community_id", "context_annotations",
		"conversation_id", "created_at", "display_text_range", "edit_controls", "edit_history_tweet_ids", "entities",
		"geo", "id", "in_reply_to_user_id", "lang", "matched_media_notes", "media_metadata", "non_public_metrics",
		"note_request_suggestions", "note_tweet", "organic_metrics", "paid_partnership", "possibly_sensitive",
		"promoted_metrics", "public_metrics", "referenced_tweets", "reply_settings", "scopes", "source",
		"suggested_source_links", "suggested_source_links_with_counts", "text", "withheld"},
	"expansions": {"article.cover_media", "article.media_entities", "attachments.media_keys",
		"attachments.media_source_tweet", "attachments.poll_ids", "author_id", "edit_history_tweet_ids",
		"entities.mentions.username", "geo.place_id", "in_reply_to_user_id", "entities.note.mentions.username",
		"referenced_tweets.id", "referenced_tweets.id.attachments.media_keys", "referenced_tweets.id.author_id"},
	"media.fields": {"alt_text", "duration_ms", "height", "media_key", "non_public_metrics", "organic_metrics",
		"preview_image_url", "promoted_metrics", "public_metrics", "type", "url", "variants", "width"},
	"poll.fields":  {"duration_minutes", "end_datetime", "id", "options", "voting_status"},
	"place.fields": {"contained_within", "country", "country_code", "full_name", "geo", "id", "name", "place_type"},
	"user.fields": {"affiliation", "confirmed_email", "connection_status", "created_at", "description", "entities",
		"id", "is_identity_verified", "location", "most_recent_tweet_id", "name", "parody", "pinned_tweet_id",
		"profile_banner_url", "profile_image_url", "protected", "public_metrics", "receives_your_dm", "subscription",
		"subscription_type", "url", "username", "verified", "verified_followers_count", "verified_type", "withheld"},
}

func lookupStream(name string) (*stream, bool) {
	i := slices.IndexFunc(streams, func(s *stream) bool { return s.name == name })
	if i < 0 {
		return nil, false
	}
	return streams[i], true
}

// share returns what tells the Posts of one partition of the stream from all
// others, rules apart; partition 0 is the whole stream, and nil keeps all.
func (s *stream) share(h *history, partition int) func(post) bool {
	if s.every == 0 && s.lang == "" && partition == 0 {
		return nil
	}
	return func(p post) bool {
		share := p.share()
		if s.every > 0 && share%s.every != 0 {
			return false
		}
		if partition > 0 && share>>32%uint64(s.partitions) != uint64(partition-1) {
			return false
		}
		return s.lang == "" || h.content(p).template().lang == s.lang
	}
}
