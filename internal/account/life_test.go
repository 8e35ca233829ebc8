package account

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// A life is what may happen to the account of one partition, drawn from a seed:
// an X with a known truth that fails in any way and does not lie, connections
// that end in any way, an output that acknowledges, rejects or says nothing, and
// a process that is killed or stopped at any moment. After each step what the
// account says is held against the truth.
//
// Times are milliseconds since lifeBegins.
type life struct {
	r *rand.Rand

	// How this X and this user are.
	overlap            int64
	late               int64 // the longest delay of a delivery
	learned            bool  // the account has measured that
	tiny               bool  // the window forgets, so repeats are no fault
	dropRejected       bool
	settling           int  // how often the output settles a batch
	backfillByCreation bool // X selects by it; else by delivery
	recoveryByCreation bool
	olderFirst         bool // live events wait behind a backlog
	connecting         int64
	connectionsMost    int
	cfg                Config

	now        int64
	events     []*lifeEvent // by creation
	byDelivery []*lifeEvent
	first      int // event that is looked at: those before it are owed no more
	a          *Account
	lines      []*lifeLine
	jobs       []*lifeJob
	queue      []*lifeRead   // waits
	out        [][]*lifeRead // batches that are handed out
	saved      []byte        // the latest record
	crashed    bool          // repeats are no fault from now on
	owesFrom   int64         // what was created from then on is owed
	opened     bool          // by a connection: what arrives from then on is owed as well
	// What the latest record owes.
	savedOwes   int64
	savedOpened bool
	gone        []coverage.Interval // lost, searched or rejected
	trail       []string
}

type lifeEvent struct {
	n         int
	created   int64
	delivered int64
	key       dedupe.Key
	inHand    int // reads of this process that hold it
	taken     int
	refused   bool // rejected for good
}

// lifeLine is one connection.
type lifeLine struct {
	number  int
	opened  int64
	mark    *Watermark
	backlog []lifeItem // of the past, not yet arrived
	next    int        // in byDelivery: what X delivers next
	hold    int64      // nothing of now arrives before
	stall   int64      // nothing at all arrives before
	lag     int64      // how late X is with everything of now; 0: it is not
	last    int64      // arrival of the latest item
	arrived []lifeItem // and was not read
	cut     int64      // nothing arrives after; 0: it lives
	drained int64      // all that had arrived by then was read
	proof   int64      // to be told; 0: none
}

// lifeItem is a line of a stream.
type lifeItem struct {
	at    int64      // arrival
	event *lifeEvent // nil: a heartbeat
}

type lifeJob struct {
	from, to int64
	job      *Job
	todo     []*lifeEvent
}

type lifeRead struct {
	claim  *dedupe.Claim
	ticket Ticket
	events []*lifeEvent
}

var lifeBegins = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func lifeTime(ms int64) time.Time { return lifeBegins.Add(time.Duration(ms) * time.Millisecond) }

func lifeMS(t time.Time) int64 { return t.Sub(lifeBegins).Milliseconds() }

const (
	second = int64(1000)
	minute = 60 * second

	lifeLasts = 120 * minute
)

// newLife draws what does not change.
func newLife(seed uint64) *life {
	l := &life{r: rand.New(rand.NewPCG(seed, 11)), overlap: 30 * second}
	l.late = l.overlap - 10*second
	if l.chance(0.3) {
		l.learned, l.late = true, 100*second
	}
	l.tiny = l.chance(0.4)
	l.dropRejected = l.chance(0.3)
	l.backfillByCreation, l.recoveryByCreation, l.olderFirst = l.chance(0.5), l.chance(0.5), l.chance(0.5)
	l.connecting = 10 * second
	l.settling = []int{10, 70, 120}[l.r.IntN(3)]
	l.connectionsMost = 1 + l.r.IntN(3)
	l.cfg = Config{
		Overlap: time.Duration(l.overlap) * time.Millisecond, Heartbeat: 20 * time.Second,
		DataOnly: l.chance(0.2), AlwaysMost: l.chance(0.2), Recovers: l.chance(0.6), Capacity: 5000,
	}
	if l.tiny {
		l.cfg.Capacity = 2 + l.r.IntN(20)
	}
	// A Post each 2 to 20 seconds, for as long as a life may last.
	mean := 2*second + l.r.Int64N(18*second)
	for at := -4 * minute; at < lifeLasts; at += 1 + l.r.Int64N(2*mean) {
		e := &lifeEvent{n: len(l.events), created: at, delivered: at + 1 + l.lateness()}
		ms := lifeTime(at).UnixMilli()
		e.key = dedupe.Snowflake(uint64(ms-xapi.SnowflakeTime(0))<<22 | uint64(e.n&0xfff))
		l.events = append(l.events, e)
	}
	l.byDelivery = slices.Clone(l.events)
	slices.SortFunc(l.byDelivery, func(a, b *lifeEvent) int { return cmp.Compare(a.delivered, b.delivered) })
	l.a = l.account()
	if l.learned {
		l.a.Late(l.lateness999())
	}
	// The start is saved before the first connect, with what was on its way.
	r := Record{Snapshot: coverage.NewLedger(lifeTime(-l.overlap)).Snapshot(), Lateness: l.a.lateness.counts()}
	l.saved, l.owesFrom = marshal(r), math.MaxInt64
	return l
}

// account is one that nothing has happened to.
func (l *life) account() *Account {
	a, err := New(l.cfg)
	if err != nil {
		panic(err)
	}
	return a
}

func (l *life) chance(p float64) bool { return l.r.Float64() < p }

func (l *life) lateness() int64 {
	switch {
	case l.chance(0.8):
		return l.r.Int64N(2 * second)
	default:
		return l.r.Int64N(l.late)
	}
}

// lateness999 are measurements that teach the account how late events may be.
func (l *life) lateness999() []time.Duration {
	all := make([]time.Duration, 1500)
	for n := range all {
		if n%100 == 0 {
			all[n] = time.Duration(l.late) * time.Millisecond
		}
	}
	return all
}

// say notes a step, for a failure.
func (l *life) say(format string, args ...any) {
	if l.trail != nil {
		l.trail = append(l.trail, fmt.Sprintf("%9.3f ", float64(l.now)/1000)+fmt.Sprintf(format, args...))
	}
}

// live lives the life and returns what was wrong.
func (l *life) live() error {
	for range 100 + l.r.IntN(200) {
		for range 5 { // not all that is drawn is possible
			if l.step() {
				break
			}
		}
		if err := l.check(); err != nil {
			return err
		}
	}
	return nil
}

// step lets something happen, and reports whether it did.
func (l *life) step() bool {
	n := l.r.IntN(1050)
	for _, may := range []struct {
		weight int
		happen func() bool
	}{
		{150, l.pass}, {100, l.open}, {270, l.read}, {60, l.prove}, {30, l.cut}, {40, l.end}, {80, l.handOut}, {l.settling, l.settle},
		{50, l.beginJob}, {90, l.workOnJob}, {10, l.giveUp}, {30, l.save}, {7, l.kill}, {13, l.stop},
	} {
		if n -= may.weight; n < 0 {
			return may.happen()
		}
	}
	return false
}

// pass lets time pass: mostly seconds.
func (l *life) pass() bool {
	d := 1 + l.r.Int64N(12*second)
	switch {
	case l.chance(0.1):
		d = l.r.Int64N(2 * minute)
	case l.chance(0.02):
		d = l.r.Int64N(15 * minute)
	}
	l.now = min(l.now+d, lifeLasts-10*minute)
	l.say("time passes")
	return true
}

// open asks for a connection, which takes a while.
func (l *life) open() bool {
	if len(l.lines) >= l.connectionsMost {
		return false
	}
	minutes := l.a.Backfill(lifeTime(l.now), time.Duration(l.connecting)*time.Millisecond)
	if l.chance(0.1) { // refused, or the network is away
		l.a.Owe(lifeTime(l.now))
		l.owesFrom = min(l.owesFrom, l.now)
		l.say("connecting fails")
		return true
	}
	if l.chance(0.05) {
		minutes = 0 // X refuses the backfill
	}
	l.now += l.r.Int64N(l.connecting)
	c := &lifeLine{opened: l.now, drained: l.now, last: l.now, number: 1 + len(l.lines)}
	l.a.Begin(lifeTime(l.now))
	if l.owesFrom > l.now {
		l.owesFrom, l.opened = l.now, true
	}
	c.mark = l.a.Opened(lifeTime(l.now), time.Duration(minutes)*time.Minute)
	l.pin(l.a.Gaps(lifeTime(l.now)))
	l.serve(c, int64(minutes)*minute)
	l.lines = append(l.lines, c)
	l.say("a connection opens with %d minutes", minutes)
	return true
}

// serve puts on the wire what X sends of the past. It comes within a minute: that
// is what it means that a backfill settles.
func (l *life) serve(c *lifeLine, length int64) {
	// The answer was on its way for as long as any line.
	c.next = sort.Search(len(l.byDelivery), func(n int) bool { return l.byDelivery[n].delivered+wire > c.opened })
	if length == 0 {
		return
	}
	at := c.opened + l.r.Int64N(30*second)
	for _, e := range l.byDelivery[:c.next] {
		by := e.delivered
		if l.backfillByCreation {
			by = e.created
		}
		if by+wire >= c.opened-length {
			c.backlog = append(c.backlog, lifeItem{at, e})
			at += l.r.Int64N(second)
		}
	}
	if l.olderFirst {
		c.hold = at
	}
}

// arrive lets come what X has sent by now.
func (l *life) arrive(c *lifeLine) {
	until := l.now
	if c.cut != 0 {
		until = min(until, c.cut)
	}
	for {
		item := lifeItem{at: c.last + 18*second}
		if c.lag > 0 {
			item.at = math.MaxInt64 // X has something to send, and sends no heartbeats
		}
		from := 0
		if len(c.backlog) > 0 && c.backlog[0].at <= item.at {
			item, from = c.backlog[0], 1
		}
		if c.next < len(l.byDelivery) {
			e := l.byDelivery[c.next]
			if at := max(e.delivered+wire+c.lag, c.hold); at <= item.at {
				item, from = lifeItem{at, e}, 2
			}
		}
		item.at = max(item.at, c.last, c.stall)
		if item.at > until {
			return
		}
		switch from {
		case 1:
			c.backlog = c.backlog[1:]
		case 2:
			c.next++
		}
		c.last = item.at
		c.arrived = append(c.arrived, item)
	}
}

// wire is how long a line is on its way.
const wire = 100 // ms

// line picks a connection.
func (l *life) line() *lifeLine {
	if len(l.lines) == 0 {
		return nil
	}
	return l.lines[l.r.IntN(len(l.lines))]
}

// read reads some of what has arrived on a connection.
func (l *life) read() bool {
	c := l.line()
	if c == nil {
		return false
	}
	l.arrive(c)
	switch {
	case l.chance(0.05):
		c.stall = l.now + l.r.Int64N(8*second) // the way between stands still
	case c.lag == 0 && l.chance(0.01):
		c.lag = l.overlap + 10*second + l.r.Int64N(minute)
	}
	if len(c.arrived) == 0 {
		return false
	}
	n := len(c.arrived)
	if l.chance(0.3) {
		n = 1 + l.r.IntN(n)
	}
	items := c.arrived[:n]
	c.arrived = c.arrived[n:]
	var events []*lifeEvent
	newest, old := int64(math.MinInt64), false
	for _, i := range items {
		if i.event != nil {
			events = append(events, i.event)
			newest = max(newest, i.event.created)
			old = old || i.event.created < c.opened
		}
	}
	l.bring(events)
	arrival := Arrival{Lines: true, Data: len(events) > 0, Old: old}
	if len(events) > 0 {
		arrival.Newest = lifeTime(newest)
	}
	c.mark.Arrived(lifeTime(l.now), arrival)
	// A reader that waited knows when the last line came; one that comes back
	// knows only when it had read everything before.
	c.proof = c.drained
	if len(c.arrived) == 0 {
		if l.chance(0.7) {
			c.proof = items[n-1].at
		}
		c.drained = l.now
	}
	l.say("connection %d brings %d lines, %d events", c.number, n, len(events))
	if l.chance(0.7) {
		l.proveOf(c)
	}
	return true
}

// bring hands events on that a connection or a job has read.
func (l *life) bring(events []*lifeEvent) {
	if len(events) == 0 {
		return
	}
	read := &lifeRead{claim: &dedupe.Claim{}}
	keys := make([]dedupe.Key, len(events))
	for n, e := range events {
		keys[n] = e.key
	}
	var verdicts []dedupe.Verdict
	verdicts, read.ticket = l.a.Judge(lifeTime(l.now), read.claim, keys, nil)
	for n, v := range verdicts {
		if v == dedupe.New {
			read.events = append(read.events, events[n])
			events[n].inHand++
		}
	}
	if len(read.events) > 0 {
		l.queue = append(l.queue, read)
	}
}

// prove tells what was read last proves.
func (l *life) prove() bool {
	c := l.line()
	if c == nil || c.proof == 0 {
		return false
	}
	l.proveOf(c)
	return true
}

func (l *life) proveOf(c *lifeLine) {
	proof := c.proof
	c.proof = 0
	l.a.Proved(c.mark, lifeTime(proof))
	l.say("connection %d proves %.3f", c.number, float64(proof)/1000)
}

// cut ends a connection at X, which nobody here has noticed yet. What was on its
// way may be lost.
func (l *life) cut() bool {
	c := l.line()
	if c == nil || c.cut != 0 {
		return false
	}
	l.arrive(c)
	c.cut = max(l.now-l.r.Int64N(5*second), c.opened, 1)
	for len(c.arrived) > 0 && c.arrived[len(c.arrived)-1].at > c.cut {
		c.arrived = c.arrived[:len(c.arrived)-1]
	}
	l.say("X cuts connection %d", c.number)
	return true
}

// end notices the end of a connection, or makes one. What was not read is lost.
func (l *life) end() bool {
	if len(l.lines) == 0 {
		return false
	}
	n := l.r.IntN(len(l.lines))
	l.a.Ended(l.lines[n].mark)
	l.say("connection %d ends", l.lines[n].number)
	l.lines = slices.Delete(l.lines, n, n+1)
	return true
}

// handOut makes a batch of reads that wait.
func (l *life) handOut() bool {
	if len(l.queue) == 0 {
		return false
	}
	n := 1 + l.r.IntN(min(len(l.queue), 4))
	l.out = append(l.out, slices.Clone(l.queue[:n]))
	l.queue = l.queue[n:]
	return true
}

// settle lets the output say what became of a batch. A plain rejection is not
// told: the batch is handed out again.
func (l *life) settle() bool {
	if len(l.out) == 0 {
		return false
	}
	n := l.r.IntN(len(l.out))
	if l.chance(0.5) {
		n = 0
	}
	batch := l.out[n]
	rejects := l.chance(0.1)
	if rejects && !l.dropRejected {
		return false
	}
	l.out = slices.Delete(l.out, n, n+1)
	for _, read := range batch {
		if rejects {
			read.claim.Reject()
			oldest, newest := read.events[0].created, read.events[0].created
			for _, e := range read.events {
				e.refused = true
				oldest, newest = min(oldest, e.created), max(newest, e.created)
			}
			l.a.Refused(lifeTime(oldest), lifeTime(newest), len(read.events))
		} else {
			read.claim.Acknowledge()
		}
		for _, e := range read.events {
			e.inHand--
			if !rejects {
				e.taken++
			}
		}
		l.a.Settled(read.ticket)
	}
	l.say("a batch of %d is settled, rejected %v", len(batch), rejects)
	return true
}

// beginJob lets a recovery begin in a gap.
func (l *life) beginJob() bool {
	if len(l.jobs) >= 2 || len(l.lines) == 0 || !l.cfg.Recovers {
		return false
	}
	gaps := l.a.Gaps(lifeTime(l.now))
	if len(gaps) == 0 {
		return false
	}
	gap := gaps[l.r.IntN(len(gaps))]
	from, to := lifeMS(gap.From), min(lifeMS(gap.To), l.now-minute)
	from = from / second * second
	to = (to + second - 1) / second * second
	if from >= to || to > l.now-minute+second {
		return false
	}
	if l.chance(0.4) {
		to = min(to, from+second*(1+l.r.Int64N(300)))
	}
	for _, j := range l.jobs {
		if from < j.to && j.from < to {
			return false
		}
	}
	j := &lifeJob{from: from, to: to}
	window := coverage.Interval{From: lifeTime(from), To: lifeTime(to)}
	l.pin([]coverage.Interval{window})
	j.job = l.a.JobBegan("recovery", window, lifeTime(l.now))
	rest := l.a.Rest(j.job)
	for _, e := range l.byDelivery {
		by := e.delivered
		if l.recoveryByCreation {
			by = e.created
		}
		if by >= lifeMS(rest.From) && by < lifeMS(rest.To) && e.delivered <= l.now {
			j.todo = append(j.todo, e)
		}
	}
	l.jobs = append(l.jobs, j)
	l.say("a recovery of %d to %d begins", from/second, to/second)
	return true
}

// pin pins what is known around gaps.
func (l *life) pin(gaps []coverage.Interval) {
	for n := range l.a.Pieces() {
		l.a.Pin(n, gaps)
	}
}

func (l *life) workOnJob() bool {
	if len(l.jobs) == 0 {
		return false
	}
	at := l.r.IntN(len(l.jobs))
	j := l.jobs[at]
	n := min(len(j.todo), 1+l.r.IntN(30))
	l.bring(j.todo[:n])
	var newest time.Time
	for _, e := range j.todo[:n] {
		if at := lifeTime(e.created); at.After(newest) {
			newest = at
		}
	}
	l.a.Brought(j.job, newest, n)
	j.todo = j.todo[n:]
	switch {
	case len(j.todo) == 0 && l.chance(0.7):
		l.a.Recovered(j.job)
		l.say("the recovery from %d is complete", j.from/second)
	case l.chance(0.8):
		l.say("a recovery brings %d events", n)
		return true
	default:
		l.say("the recovery from %d breaks", j.from/second)
	}
	l.a.JobEnded(j.job)
	l.jobs = slices.Delete(l.jobs, at, at+1)
	return true
}

// giveUp lets a gap be lost, or searched.
func (l *life) giveUp() bool {
	gaps := l.a.Gaps(lifeTime(l.now - 2*minute))
	if len(gaps) == 0 || len(l.jobs) > 0 {
		return false
	}
	gap := gaps[l.r.IntN(len(gaps))]
	if l.chance(0.5) {
		l.gone = append(l.gone, l.a.Lost(gap, "expired")...)
		l.say("%v is lost", gap)
		return true
	}
	j := l.a.JobBegan("search", gap, lifeTime(l.now))
	l.a.Searched(j, coverage.Search{Interval: gap}, 0)
	l.a.JobEnded(j)
	l.gone = append(l.gone, gap)
	l.say("%v is searched", gap)
	return true
}

// save saves the account, as is done each second.
func (l *life) save() bool {
	if r, ok := l.a.Record(); ok {
		l.saved, l.savedOwes, l.savedOpened = marshal(r), l.owesFrom, l.opened
		l.say("saved")
	}
	return true
}

func marshal(r Record) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// kill ends the process without a word, and starts another.
func (l *life) kill() bool {
	l.crashed = true
	l.restart()
	l.say("killed")
	return true
}

// stop ends the process gracefully, and starts another.
func (l *life) stop() bool {
	for len(l.lines) > 0 {
		l.end()
	}
	for _, j := range l.jobs {
		l.a.JobEnded(j.job)
	}
	for len(l.out) > 0 && l.chance(0.7) {
		l.settle()
	}
	if r, ok := l.a.Record(); ok {
		keys := l.a.Pinned(nil)
		for n := range l.a.Pieces() {
			keys = l.a.Delivered(keys, n, r.Repeatable())
		}
		r.Keys, _ = dedupe.Pack(keys, 256<<10)
		l.saved, l.savedOwes, l.savedOpened = marshal(r), l.owesFrom, l.opened
	}
	l.restart()
	l.say("stopped")
	return true
}

func (l *life) restart() {
	l.lines, l.jobs, l.queue, l.out = nil, nil, nil, nil
	for _, e := range l.events {
		e.inHand = 0
	}
	if l.chance(0.5) {
		l.pass()
	}
	l.a = l.account()
	l.owesFrom, l.opened, l.first = l.savedOwes, l.savedOpened, 0
	var r Record
	if err := json.Unmarshal(l.saved, &r); err != nil {
		panic(err)
	}
	if err := l.a.Restore(r, lifeTime(l.now)); err != nil {
		panic(err)
	}
}

// check holds what the account says against the truth.
func (l *life) check() error {
	if l.owesFrom == math.MaxInt64 {
		return nil // nobody has tried to connect
	}
	for e := l.events[l.first]; !l.owes(e) || e.taken == 1 && e.created < l.now-10*minute; e = l.events[l.first] {
		l.first++
	}
	now := lifeTime(l.now)
	owed := l.openIfAllEnded()
	if err := l.accounted(owed, func(e *lifeEvent) bool { return e.taken > 0 || e.inHand > 0 }); err != nil {
		return fmt.Errorf("if everything ended now: %w", err)
	}
	again := l.openIfKilled()
	if err := l.accounted(again, func(e *lifeEvent) bool { return e.taken > 0 }); err != nil {
		return fmt.Errorf("if it were killed now: %w", err)
	}
	for _, o := range owed {
		if o = o.Intersect(coverage.Interval{From: lifeTime(l.owesFrom), To: now}); o.Empty() {
			continue
		}
		if !inside(o, again) {
			return fmt.Errorf("%v would be open if everything ended now, and is not in the record, which has open %v", o, again)
		}
	}
	if err := l.a.Check(now); err != nil {
		return err
	}
	for _, e := range l.events[l.first:] {
		if e.created > l.now {
			break
		}
		if n := e.taken + e.inHand; n > 1 && !l.tiny && !l.crashed && !e.refused {
			return fmt.Errorf("event %d, created at %.3f, comes %d times", e.n, float64(e.created)/1000, n)
		}
	}
	return nil
}

// owes reports whether an event is owed.
func (l *life) owes(e *lifeEvent) bool {
	return e.created >= l.owesFrom || l.opened && e.delivered+wire > l.owesFrom
}

// openIfAllEnded is what would be open if all connections and jobs ended now.
func (l *life) openIfAllEnded() []coverage.Interval {
	var open coverage.Set
	for _, gap := range l.a.ledger.Open(lifeTime(l.now)) {
		open.Add(gap)
	}
	for _, at := range l.a.edges {
		open.Add(coverage.Interval{From: at.Add(-l.margin()), To: at.Time})
	}
	return open.Intervals()
}

// openIfKilled is what would be open if the process were killed now, and started
// again from a record made now.
func (l *life) openIfKilled() []coverage.Interval {
	r, _ := l.a.Record()
	return r.Open(lifeTime(l.now))
}

func (l *life) margin() time.Duration {
	if l.learned {
		return time.Duration(l.late+second) * time.Millisecond
	}
	return time.Duration(l.overlap) * time.Millisecond
}

// accounted says which event is neither here nor in time that is open.
func (l *life) accounted(open []coverage.Interval, here func(*lifeEvent) bool) error {
	for _, e := range l.events[l.first:] {
		if e.created >= l.now {
			return nil
		}
		if !l.owes(e) || here(e) || e.refused || holds(open, e.created) || holds(l.gone, e.created) {
			continue
		}
		return fmt.Errorf("event %d, created at %.3f and delivered at %.3f, is missing and not accounted for; open %s", e.n, float64(e.created)/1000, float64(e.delivered)/1000, shown(open))
	}
	return nil
}

func shown(all []coverage.Interval) string {
	s := ""
	for _, i := range all {
		s += fmt.Sprintf("[%.3f, %.3f) ", float64(lifeMS(i.From))/1000, float64(lifeMS(i.To))/1000)
	}
	return s
}

func holds(all []coverage.Interval, ms int64) bool {
	at := lifeTime(ms)
	for _, i := range all {
		if !at.Before(i.From) && at.Before(i.To) {
			return true
		}
	}
	return false
}

func inside(i coverage.Interval, all []coverage.Interval) bool {
	for _, o := range all {
		if !i.From.Before(o.From) && !i.To.After(o.To) {
			return true
		}
	}
	return false
}
