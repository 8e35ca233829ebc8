package simulator

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// person is a user that Posts name. All Posts agree on what a user is like, for
// a page of search has each user once.
type person struct {
	id, username, name, bio, location, picture        string
	followers, following, likes, listed, media, posts int
	verified                                          bool
}

// people is how many users of each language there are in a group.
const people = 340

// person draws a user of one language from a group of their own for each kind
// of template: a Post without expansions must not find its author among
// another's, and what is escaped in one Post must not be plain in another.
func (c *composer) person(lang int, bare bool) person {
	group := 0
	if bare {
		group++
	}
	if c.ascii {
		group += 2
	}
	return newPerson((group*people+c.IntN(people))*len(languages) + lang)
}

// newPerson is user n, of the language of that remainder.
func newPerson(n int) person {
	lang := languages[n%len(languages)]
	c := &composer{Rand: rand.New(rand.NewPCG(0x7e, uint64(n)))}
	id := strconv.FormatInt(1000000000000000000+int64(mix(uint64(n))>>8), 10)
	return person{
		id:        id,
		username:  fmt.Sprintf("%s_%05d", pick(c, []string{"sim", "daily", "real", "its"}), n),
		name:      pick(c, lang.names),
		bio:       pick(c, bios),
		location:  pick(c, languages).places[0],
		picture:   "https://pbs.twimg.com/profile_images/" + id + "/" + c.letters(8) + "_normal.jpg",
		followers: c.IntN(90000),
		following: c.IntN(2000),
		likes:     c.IntN(50000),
		listed:    c.IntN(90),
		media:     c.IntN(900),
		posts:     c.IntN(70000),
		verified:  c.IntN(5) == 0,
	}
}

// user writes a person as X does.
func (c *composer) user(p person) *composer {
	return c.raw(`{"created_at":"2017-05-01T09:30:00.000Z","description":`).str(p.bio).raw(`,"id":`).str(p.id).
		raw(`,"location":`).str(p.location).raw(`,"name":`).str(p.name).
		raw(`,"profile_image_url":`).str(p.picture).
		raw(`,"protected":false,"public_metrics":{"followers_count":`).num(p.followers).
		raw(`,"following_count":`).num(p.following).raw(`,"like_count":`).num(p.likes).raw(`,"listed_count":`).num(p.listed).
		raw(`,"media_count":`).num(p.media).raw(`,"tweet_count":`).num(p.posts).
		raw(`},"username":`).str(p.username).raw(`,"verified":`).bool(p.verified).raw(`}`)
}
