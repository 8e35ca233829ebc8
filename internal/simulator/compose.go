package simulator

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"
)

// draft is what is drawn for a template before it is written.
type draft struct {
	lang          language
	kind          string // of its reference to another Post: replied_to, quoted, retweeted or none
	bare          bool   // without expansions
	missing       bool   // the other Post is gone: a partial error
	author, other person
	otherID       string
	mediaKey      string
	place         string
	text, full    string // full is another text when the Post is longer than 280 characters
	tags          entities
	quoted        string // the other Post's text
}

func compose(number int) *template {
	c := &composer{template: &template{}, Rand: rand.New(rand.NewPCG(0x7a, uint64(number)))}
	c.ascii = c.IntN(6) == 0
	d := c.draft()
	c.lang = d.lang.code
	c.subject = subject{
		number: number, text: d.full, quoted: d.quoted, lang: d.lang.code, author: d.author, kind: d.kind,
		hashtags: d.tags.hashtags, mentions: d.tags.mentions, media: d.mediaKey != "", place: d.place,
	}
	if d.kind != "" {
		c.subject.other, c.subject.otherID = d.other, d.otherID
	}

	c.raw(`{"data":`)
	c.data(d)
	c.dataEnd = len(c.body)
	if d.missing {
		c.raw(`,"errors":[{"detail":"Could not find tweet with referenced_tweets.id: [`).raw(d.otherID).raw(`].","parameter":"referenced_tweets.id","resource_id":`).str(d.otherID).
			raw(`,"resource_type":"tweet","title":"Not Found Error","type":"https://api.x.com/2/problems/resource-not-found","value":`).str(d.otherID).raw(`}]`)
	}
	if !d.bare {
		c.includes(d)
	}
	c.raw(`}`)
	return c.template
}

func (c *composer) draft() draft {
	lang := c.language()
	d := draft{lang: languages[lang], bare: c.IntN(10) == 0}
	// The sizes of X's Posts spread from a bare text to a quoted thread with
	// media: one in ten carries no expansions, one in seven is long.
	long := !d.bare && c.IntN(100) < 15
	if !d.bare {
		d.kind = pick(c, []string{"", "", "", "", "replied_to", "replied_to", "quoted", "retweeted"})
		if c.IntN(4) == 0 {
			d.mediaKey = "3_" + c.id()
		}
		if c.IntN(16) == 0 {
			d.place = pick(c, d.lang.places)
		}
	}
	d.author, d.other = c.person(lang, d.bare), c.person(lang, d.bare)
	d.otherID = c.id()
	d.missing = d.kind != "" && c.IntN(6) == 0
	if d.kind != "" && !d.missing {
		d.quoted = c.sentence(d.lang)
	}
	d.text, d.full = c.text(d, long, c.IntN(3) == 0)
	d.tags = entitiesOf(d.text)
	return d
}

// id draws the ID of something that is no Post of this history.
func (c *composer) id() string {
	return strconv.FormatInt(1700000000000000000+c.Int64N(1<<56), 10)
}

// data writes the Post.
func (c *composer) data(d draft) {
	c.raw(`{`)
	if d.mediaKey != "" {
		c.raw(`"attachments":{"media_keys":[`).str(d.mediaKey).raw(`]},`)
	}
	c.raw(`"author_id":`).str(d.author.id)
	if !d.bare {
		c.raw(`,"context_annotations":[`)
		for i := range c.IntN(3) {
			c.comma(i).annotation()
		}
		c.raw(`]`)
	}
	c.raw(`,"conversation_id":"`)
	if d.kind == "replied_to" {
		c.raw(d.otherID)
	} else {
		c.ownID()
	}
	c.raw(`","created_at":"`).blank(&c.created, len(createdFormat)).raw(`"`)
	if !d.bare {
		c.raw(`,"display_text_range":[0,`).num(utf8.RuneCountInString(d.text)).raw(`]`)
		c.raw(`,"edit_controls":{"editable_until":"`).blank(&c.until, len(createdFormat)).raw(`","edits_remaining":5,"is_edit_eligible":`).bool(d.kind == "").raw(`}`)
	}
	c.raw(`,"edit_history_tweet_ids":["`)
	c.history = len(c.body)
	c.ownID().raw(`"]`)
	c.entities(d.tags)
	if d.place != "" {
		c.raw(`,"geo":{"place_id":`).str(c.placeID(d.place)).raw(`}`)
	}
	c.raw(`,"id":"`).ownID().raw(`"`)
	if d.kind == "replied_to" {
		c.raw(`,"in_reply_to_user_id":`).str(d.other.id)
	}
	c.raw(`,"lang":`).str(d.lang.code)
	if d.full != d.text {
		c.raw(`,"note_tweet":{"text":`).str(d.full).raw(`}`)
	}
	c.subject.reposts = c.IntN(900)
	c.raw(`,"possibly_sensitive":`).bool(c.IntN(20) == 0)
	c.raw(`,"public_metrics":{"bookmark_count":0,"impression_count":`).num(c.IntN(3)).raw(`,"like_count":0,"quote_count":0,"reply_count":0,"retweet_count":`).num(c.subject.reposts).raw(`}`)
	if d.kind != "" {
		c.raw(`,"referenced_tweets":[{"id":`).str(d.otherID).raw(`,"type":`).str(d.kind).raw(`}]`)
	}
	c.raw(`,"reply_settings":`).str(pick(c, []string{"everyone", "everyone", "everyone", "mentionedUsers", "following"}))
	c.raw(`,"text":`).str(d.text).raw(`}`)
}

// includes writes what the Post's expansions bring. Nothing in it differs
// between the Posts of a template.
func (c *composer) includes(d draft) {
	c.raw(`,"includes":{`)
	if d.mediaKey != "" {
		c.raw(`"media":[{"alt_text":`).str(c.sentence(d.lang)).raw(`,"height":1080,"media_key":`).str(d.mediaKey).raw(`,"type":"photo","url":"https://pbs.twimg.com/media/` + c.letters(15) + `.jpg","width":1920}],`)
	}
	if d.place != "" {
		c.raw(`"places":[{"country_code":"GB","full_name":`).str(d.place).raw(`,"geo":{"bbox":[-2.319934,53.343623,-2.147026,53.570282],"properties":{},"type":"Feature"},"id":`).str(c.placeID(d.place)).
			raw(`,"name":`).str(strings.Split(d.place, ",")[0]).raw(`,"place_type":"city"}],`)
	}
	if d.quoted != "" {
		c.raw(`"tweets":[{"author_id":`).str(d.other.id).raw(`,"conversation_id":`).str(d.otherID).raw(`,"created_at":"2024-03-09T12:00:00.000Z","edit_history_tweet_ids":[`).str(d.otherID).
			raw(`],"id":`).str(d.otherID).raw(`,"lang":`).str(d.lang.code).raw(`,"possibly_sensitive":false,"public_metrics":{"bookmark_count":3,"impression_count":`).num(c.IntN(100000)).raw(`,"like_count":`).num(c.IntN(5000)).raw(`,"quote_count":1,"reply_count":12,"retweet_count":`).num(c.IntN(900)).
			raw(`},"reply_settings":"everyone","text":`).str(d.quoted).raw(`}],`)
	}
	c.raw(`"users":[`).user(d.author)
	if d.kind != "" && d.other.id != d.author.id {
		c.raw(`,`).user(d.other)
	}
	c.raw(`]}`)
}

// placeID is the ID of a place, of its own for each way to write it.
func (c *composer) placeID(name string) string {
	h := fnv.New64a()
	fmt.Fprint(h, name, c.ascii)
	return fmt.Sprintf("%016x", h.Sum64())
}

// text returns a Post's text and its full text, which is another one when the
// Post is long.
func (c *composer) text(d draft, long, link bool) (short, full string) {
	var b strings.Builder
	switch d.kind {
	case "retweeted":
		b.WriteString("RT @" + d.other.username + ": ")
	case "replied_to":
		b.WriteString("@" + d.other.username + " ")
	}
	b.WriteString(strings.Replace(pick(c, d.lang.sentences), "%", topicMark, 1))
	if c.IntN(3) == 0 {
		b.WriteString(" #" + topicMark)
	}
	for range c.IntN(4) {
		b.WriteString(pick(c, trimmings))
	}
	if link {
		b.WriteString(" https://t.co/" + c.letters(10))
	}
	if d.mediaKey != "" {
		b.WriteString(" https://t.co/" + c.letters(10))
	}
	short = b.String()
	if !long {
		return short, short
	}
	for limit := 300 + c.IntN(1100); b.Len() < limit; {
		b.WriteString(" " + c.sentence(d.lang) + pick(c, trimmings))
	}
	return short + "…", b.String()
}

// sentence is one without a topic.
func (c *composer) sentence(lang language) string {
	return strings.Replace(pick(c, lang.sentences), "%", "…", 1)
}

// language draws one, as its place in the list.
func (c *composer) language() int {
	n := c.IntN(100)
	for i, l := range languages {
		if n -= l.weight; n < 0 {
			return i
		}
	}
	return 0
}

func (c *composer) annotation() {
	a := annotations[c.IntN(len(annotations))]
	c.subject.contexts = append(c.subject.contexts, a.domainID+"."+a.entityID)
	c.subject.entities = append(c.subject.entities, strings.ToLower(a.entity))
	c.raw(`{"domain":{"description":`).str(a.about).raw(`,"id":`).str(a.domainID).raw(`,"name":`).str(a.domain).
		raw(`},"entity":{"id":`).str(a.entityID).raw(`,"name":`).str(a.entity).raw(`}}`)
}
