package xapi

// notice is one kind of event that tells what became of a Post, a user or a
// like: an object named for what happened, which names whom it happened to
// and when. X gives such an event no ID, so its key is made of these, and of
// what else tells two events of the kind apart.
type notice struct {
	kind    string // the member that holds the event
	subject path   // of the ID below it
	more    []path // of what belongs to the key where it is given
}

type path []string

// notices are the schemas of the compliance and label streams in X's OpenAPI
// description.
var notices = map[Format][]notice{
	PostCompliance: {
		{"delete", path{"tweet", "id"}, []path{{"quote_tweet_id"}}},
		{"drop", path{"tweet", "id"}, []path{{"quote_tweet_id"}}},
		{"undrop", path{"tweet", "id"}, []path{{"quote_tweet_id"}}},
		{"withheld", path{"tweet", "id"}, []path{{"quote_tweet_id"}, {"withheld_in_countries"}}},
		{"tweet_edit", path{"tweet", "id"}, []path{{"initial_tweet_id"}, {"edit_tweet_ids"}}},
	},
	UserCompliance: {
		{"user_protect", path{"user", "id"}, nil},
		{"user_unprotect", path{"user", "id"}, nil},
		{"user_delete", path{"user", "id"}, nil},
		{"user_undelete", path{"user", "id"}, nil},
		{"user_suspend", path{"user", "id"}, nil},
		{"user_unsuspend", path{"user", "id"}, nil},
		{"user_withheld", path{"user", "id"}, []path{{"withheld_in_countries"}}},
		{"scrub_geo", path{"user", "id"}, []path{{"up_to_tweet_id"}}},
		{"user_profile_modification", path{"user", "id"}, []path{{"profile_field"}, {"new_value"}}},
	},
	LikeCompliance: {
		// The ID of a favorite is that of the Post, which many users like.
		{"delete", path{"favorite", "id"}, []path{{"favorite", "user_id"}}},
	},
	PostLabel: {
		{"public_tweet_notice", path{"tweet", "id"}, []path{{"application"}, {"event_type"}, {"label_title"}, {"details"}}},
		{"public_tweet_unviewable", path{"tweet", "id"}, []path{{"application"}}},
	},
}

// legacyNotices are what the legacy format says of Posts (docs.x.com:
// enterprise-gnip-2.0/fundamentals/firehouse, "Compliance Data Objects").
var legacyNotices = []notice{
	{"delete", path{"status", "id_str"}, nil},
	{"drop", path{"status", "id_str"}, nil},
	{"undrop", path{"status", "id_str"}, nil},
	{"status_withheld", path{"status", "id_str"}, []path{{"withheld_in_countries"}}},
}

// identifyNotice takes a notice of one of the kinds. One that does not say
// when it happened is of a shape that is not known.
func (e *Event) identifyNotice(b []byte, kinds []notice) bool {
	for _, n := range kinds {
		body := find(b, n.kind)
		subject := text(find(body, n.subject...))
		at, created := when(body)
		if len(subject) == 0 || created == 0 {
			continue
		}
		parts := [][]byte{[]byte(n.kind), subject, at}
		for _, p := range n.more {
			if value := find(body, p...); given(value) {
				parts = append(parts, plain(value))
			}
		}
		e.ID, e.Created = key(parts...), created
		return true
	}
	return false
}

// plain is what a string says, and anything else as it stands there.
func plain(value []byte) []byte {
	if s := text(value); s != nil {
		return s
	}
	return value
}

// when reads the time of a notice: event_at on v2, timestamp_ms before it.
func when(body []byte) (at []byte, ms int64) {
	if at = text(find(body, "event_at")); at != nil {
		return at, instant(at)
	}
	at = text(find(body, "timestamp_ms"))
	return at, milliseconds(at)
}
