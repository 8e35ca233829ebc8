package xapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// expansions are the paths in a Post to what X includes for it. A path that
// goes on behind an ID goes on in the included Post with that ID. X's OpenAPI
// description has the second half of the names for search, whose answers have
// the first half when they are asked for by those (docs.x.com:
// fundamentals/expansions).
var expansions = paths(
	"article.cover_media",
	"article.media_entities",
	"attachments.media_keys",
	"attachments.media_source_tweet_id",
	"attachments.poll_ids",
	"author_id",
	"edit_history_tweet_ids",
	"entities.mentions.username",
	"geo.place_id",
	"in_reply_to_user_id",
	"note_tweet.entities.mentions.username",
	"referenced_tweets.id",
	"referenced_tweets.id.attachments.media_keys",
	"referenced_tweets.id.author_id",

	"edit_history_post_ids",
	"note_post.entities.mentions.username",
	"referenced_posts.id",
	"referenced_posts.id.attachments.media_keys",
	"referenced_posts.id.author_id",
)

func paths(dotted ...string) []path {
	list := make([]path, len(dotted))
	for i, d := range dotted {
		list[i] = strings.Split(d, ".")
	}
	return list
}

// shared is what all Posts of a page share: an object that several of them
// name is included once.
type shared struct {
	includes []include
	errors   []json.RawMessage

	posts     map[string]any     // included Posts by ID, decoded
	elements  map[string][]place // of includes, by name
	errorsFor map[string][]int   // positions in errors, by name
}

// place is where an included object stands.
type place struct{ include, element int }

// newShared reads what a page shares.
func newShared(rawIncludes json.RawMessage, errors []json.RawMessage) (*shared, error) {
	s := &shared{
		errors: errors, posts: map[string]any{},
		elements: map[string][]place{}, errorsFor: map[string][]int{},
	}
	members := object{b: rawIncludes}
	for name, ok := members.next(); ok; name, ok = members.next() {
		in := include{name: string(name)}
		if err := json.Unmarshal(members.value(), &in.elements); err != nil {
			return nil, fmt.Errorf("the answer's includes are no lists: %w", err)
		}
		for i, element := range in.elements {
			s.add(in.name, element, place{len(s.includes), i})
		}
		s.includes = append(s.includes, in)
	}
	for i, raw := range errors {
		for _, member := range []string{"resource_id", "value"} {
			name := string(text(find(raw, member)))
			s.errorsFor[name] = append(s.errorsFor[name], i)
			s.errorsFor[username(name)] = append(s.errorsFor[username(name)], i)
		}
	}
	return s, nil
}

// username is the name of a user among names that are IDs, for a username may
// be of digits only. Its case is not that in which a mention has it.
func username(s string) string { return "@" + strings.ToLower(s) }

// add notes an included object under all names that a Post may call it by.
func (s *shared) add(kind string, element json.RawMessage, at place) {
	id, mediaKey, handle := text(find(element, "id")), text(find(element, "media_key")), text(find(element, "username"))
	for _, name := range []string{string(id), string(mediaKey), username(string(handle))} {
		s.elements[name] = append(s.elements[name], at)
	}
	if len(id) > 0 && (kind == "tweets" || kind == "posts") {
		s.posts[string(id)] = decoded(element)
	}
}

// decoded is JSON that is known to be valid, as encoding/json gives it.
func decoded(raw json.RawMessage) (v any) {
	_ = json.Unmarshal(raw, &v)
	return v
}

// of returns what belongs to one Post of the page: the included objects that
// it names by an expansion, and the errors that are about it or about what it
// names. An error that names nothing is about no Post in particular, and
// belongs to none.
func (s *shared) of(post json.RawMessage, id string) (includes []include, errors []json.RawMessage) {
	if len(s.elements) == 0 && len(s.errors) == 0 {
		return nil, nil
	}
	places, failed := map[place]bool{}, map[int]bool{}
	note := func(name string) {
		if name == "" || name == username("") {
			return // what has no name is not named
		}
		for _, i := range s.errorsFor[name] {
			failed[i] = true
		}
		if name == id {
			return // another Post includes this one, which does not include itself
		}
		for _, at := range s.elements[name] {
			places[at] = true
		}
	}
	note(id)
	v := decoded(post)
	for _, p := range expansions {
		s.follow(v, p, func(name string) {
			if p[len(p)-1] == "username" {
				name = username(name)
			}
			note(name)
		})
	}
	for _, i := range slices.Sorted(maps.Keys(failed)) {
		errors = append(errors, s.errors[i])
	}
	return s.pick(places), errors
}

// follow calls found with all that stands at a path, and at the IDs on the
// way, through lists and from Post to included Post.
func (s *shared) follow(v any, p path, found func(string)) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			s.follow(element, p, found)
		}
	case map[string]any:
		if len(p) > 0 {
			s.follow(v[p[0]], p[1:], found)
		}
	case string:
		found(v)
		if post, ok := s.posts[v]; ok && len(p) > 0 {
			s.follow(post, p, found)
		}
	}
}

// pick returns the objects at some places, in the page's order.
func (s *shared) pick(places map[place]bool) (picked []include) {
	inOrder := slices.SortedFunc(maps.Keys(places), func(a, b place) int {
		if a.include != b.include {
			return a.include - b.include
		}
		return a.element - b.element
	})
	last := -1
	for _, at := range inOrder {
		if at.include != last {
			picked = append(picked, include{name: s.includes[at.include].name})
			last = at.include
		}
		in := &picked[len(picked)-1]
		in.elements = append(in.elements, s.includes[at.include].elements[at.element])
	}
	return picked
}
