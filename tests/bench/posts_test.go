package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

const (
	// postBytes is the mean length of a Post's line, its end included.
	postBytes = 1900
	// blockPosts is how many Posts the server writes at once, and chunkPosts
	// how many of them share an HTTP chunk.
	blockPosts = 128
	chunkPosts = 16

	idDigits    = "0000000000000000000" // where an ID will stand
	idEpoch     = 1288834974657         // Unix ms at which snowflakes begin
	idTimeShift = 22                    // bits of a snowflake below its milliseconds
)

// block is a number of Posts as they stand in the body of a response, chunks
// and all. Only their IDs are written anew each time.
type block struct {
	bytes []byte
	ids   [][]int // for each Post, where its ID stands
}

// newBlock prepares lines in which idDigits stands for the ID.
func newBlock(lines []string) *block {
	b := &block{}
	for chunk := range slices.Chunk(lines, chunkPosts) {
		b.bytes = fmt.Appendf(b.bytes, "%x\r\n", len(strings.Join(chunk, "")))
		for _, line := range chunk {
			b.ids = append(b.ids, places(line, len(b.bytes)))
			b.bytes = append(b.bytes, line...)
		}
		b.bytes = append(b.bytes, "\r\n"...)
	}
	return b
}

// places finds the places of the ID in a line that begins at start.
func places(line string, start int) (found []int) {
	for at := 0; ; at += len(idDigits) {
		i := strings.Index(line[at:], idDigits)
		if i < 0 {
			return found
		}
		at += i
		found = append(found, start+at)
	}
}

// number gives the Posts IDs that were never given before, created now, and
// returns the last of them. last is the last that was given.
func (b *block) number(now time.Time, last uint64) uint64 {
	id := max(last, uint64(now.UnixMilli()-idEpoch)<<idTimeShift)
	for _, places := range b.ids {
		id++
		first := b.bytes[places[0] : places[0]+len(idDigits)]
		strconv.AppendUint(first[:0], id, 10)
		for _, p := range places[1:] {
			copy(b.bytes[p:], first)
		}
	}
	return id
}

// uniformPosts renders the lines of a block, in several scripts and lengths, but
// all of one form.
func uniformPosts() []string {
	phrases := []string{
		"The quick brown fox jumps over the lazy dog and says so at length. ",
		"春の夜の夢のごとし、猛き者もつひには滅びぬ。",
		`She said: \"it works\" \\o/ and nobody believed her\n`,
		"🚀🌍 lanzamos mañana, ¿quién se apunta? 👩‍👩‍👧 ",
		"هذا نص عربي طويل بما يكفي ليكون منشورا كاملا. ",
	}
	lengths := []int{postBytes - 600, postBytes - 300, postBytes, postBytes + 300, postBytes + 600}

	lines := make([]string, blockPosts)
	for i := range lines {
		// Each length meets each script.
		lines[i] = post(phrases[i%len(phrases)], lengths[i/len(phrases)%len(lengths)])
	}
	return lines
}

// post renders a line of that length, give or take a character, whose text
// repeats phrase.
func post(phrase string, length int) string {
	const form = `{"data":{"author_id":"2244994945","context_annotations":[{"domain":{"id":"46","name":"Business Taxonomy",` +
		`"description":"Categories within Brand Verticals that narrow down the scope of Brands"},"entity":{"id":"1557696848252391426",` +
		`"name":"Technology Business"}}],"conversation_id":"` + idDigits + `","created_at":"2026-11-22T12:00:00.000Z",` +
		`"edit_history_tweet_ids":["` + idDigits + `"],"entities":{"urls":[{"start":23,"end":46,"url":"https://t.co/abcdefghij",` +
		`"expanded_url":"https://example.com/a/path?with=a&few=parameters","display_url":"example.com/a/path"}]},"id":"` + idDigits + `",` +
		`"lang":"en","possibly_sensitive":false,"public_metrics":{"retweet_count":0,"reply_count":0,"like_count":0,"quote_count":0},` +
		`"text":"%s"},"includes":{"users":[{"created_at":"2013-12-14T04:35:55.000Z","id":"2244994945","name":"Developers",` +
		`"username":"XDevelopers","verified":true}]},"matching_rules":[{"id":"1166916266197536768","tag":"everything"}]}` + "\r\n"
	room := length - (len(form) - len("%s"))
	text := strings.Repeat(phrase, room/len(phrase))
	for rest := room - len(text); rest > 0; rest-- {
		if cut := phrase[:rest]; utf8.ValidString(cut) && !strings.Contains(cut, `\`) {
			text += cut
			break
		}
	}
	return fmt.Sprintf(form, text)
}

// variedPosts are the lines of a block, as the simulator makes them: of all
// forms and lengths, so that they take room in a database and do not compress
// to nothing. They are the same in each process.
func variedPosts() []string {
	x, err := simulator.New(simulator.Config{})
	if err != nil {
		panic(err)
	}
	from := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ids, err := x.Expected("filtered", 0, from, from.Add(time.Minute))
	if err != nil {
		panic(err)
	}
	var lines []string
	for id := range ids {
		line, err := x.Event("filtered", id)
		if err != nil {
			panic(err)
		}
		lines = append(lines, strings.ReplaceAll(string(line), strconv.FormatUint(id, 10), idDigits)+"\r\n")
		if len(lines) == blockPosts {
			return lines
		}
	}
	panic(fmt.Sprintf("the simulator has only %d Posts", len(lines)))
}
