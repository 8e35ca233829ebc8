package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xconnect-dev/xconnect/internal/admission"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// admit waits until c may send a connect.
func (in *Ingest) admit(ctx context.Context, c *connection) error {
	asked := in.now()
	defer in.leave(c)
	if err := in.await(ctx, func() (bool, time.Time) { return in.ask(c, asked) }); err != nil {
		return err
	}
	in.observer.Waited(c.partition.number, in.now().Sub(asked))
	return nil
}

// await asks for a connect until it is granted one: at each change of the
// admission, and when it is to ask again.
func (in *Ingest) await(ctx context.Context, ask func() (granted bool, again time.Time)) error {
	for {
		changed := in.changed.Next()
		granted, again := ask()
		if granted {
			return nil
		}
		var timer <-chan time.Time
		if !again.IsZero() {
			timer = time.After(max(again.Sub(in.now()), time.Millisecond))
		}
		select {
		case <-changed:
		case <-timer:
		case <-ctx.Done():
			return fmt.Errorf("waiting for a connect: %w", ctx.Err())
		}
	}
}

// ask asks once for a connect, and notes who waits for the budget and until
// when.
func (in *Ingest) ask(c *connection, asked time.Time) (granted bool, again time.Time) {
	granted, again, uncovered := in.askOrWait(c)
	if uncovered {
		c.partition.owe(asked) // nothing covers the stream until then
	}
	return granted, again
}

// askOrWait is ask without the account: it reports whether nobody will cover
// the partition while c waits for the budget.
func (in *Ingest) askOrWait(c *connection) (granted bool, again time.Time, uncovered bool) {
	n, now := c.partition.number, in.now()
	in.mu.Lock()
	defer in.mu.Unlock()
	granted, again, spent := in.admission.Ask(n, now)
	if !spent {
		delete(in.waiting, c)
		return granted, again, false
	}
	in.waiting[c] = again
	return granted, again, !in.admission.Redundant(n)
}

// leave takes c out of those who wait for the budget.
func (in *Ingest) leave(c *connection) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.waiting, c)
}

// dial sends the connect that c was granted.
func (in *Ingest) dial(ctx context.Context, c *connection, r xapi.Request) (*xapi.Connection, *xapi.Problem) {
	conn, limits, problem := in.send(ctx, c.client, r)
	now := in.now()
	in.mu.Lock()
	in.admission.Answered(c.partition.number, now, limits, problem)
	up := in.admission.Up(c.partition.number)
	in.mu.Unlock()
	in.changed.Broadcast()
	if problem != nil {
		return nil, problem
	}
	in.observer.Connected(c.partition.number, up)
	in.queue.Connected(1)
	return conn, nil
}

// send sends a connect and keeps X's clock.
func (in *Ingest) send(ctx context.Context, client *xapi.Client, r xapi.Request) (*xapi.Connection, xapi.Limits, *xapi.Problem) {
	conn, err := client.Open(ctx, r)
	if err != nil {
		p := xapi.AsProblem(err)
		if !p.Date.IsZero() {
			in.setSkew(xapi.Skew(p.Date, time.Now()))
		}
		return nil, p.Limits, p
	}
	in.setSkew(conn.Skew())
	return conn, conn.Limits(), nil
}

// opened notes when, by X's clock, c was opened: another of ours may end for it.
func (in *Ingest) opened(c *connection, at time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.admission.Opened(c.partition.number, c.number, at)
}

// evicted reports whether c, which ended at that time, gives up for good: X
// ends one of our connections when another opens.
func (in *Ingest) evicted(c *connection, ended time.Time) (forGood bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.admission.Evicted(c.partition.number, c.number, ended)
}

// closed counts a connection that has ended.
func (in *Ingest) closed(p *partition) {
	now := in.now()
	in.mu.Lock()
	in.admission.Closed(p.number, now)
	up := in.admission.Up(p.number)
	in.mu.Unlock()
	in.changed.Broadcast()
	in.observer.Connected(p.number, up)
	in.queue.Connected(-1)
}

// slotRefused says that X has refused c a slot, and reports whether another
// connection serves its partition: then c waits with all redundant connects.
func (in *Ingest) slotRefused(c *connection) (served bool) {
	now := in.now()
	in.mu.Lock()
	served, news := in.admission.SlotRefused(c.partition.number, now)
	in.mu.Unlock()
	if news {
		in.log.Warn("X allows no more connections at a time, so some redundant ones are missing; asking again at growing intervals of up to "+admission.RefusedMax.String(),
			"stream", in.cfg.Stream.Name, "wanted", in.cfg.Connections*len(in.parts))
	}
	return served
}

// connectDue reports whether a connection of the partition is about to be
// opened.
func (in *Ingest) connectDue(p *partition, now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.admission.Due(p.number, now)
}

// mayBackfill reports whether it makes sense to ask for backfill at now.
func (in *Ingest) mayBackfill(now time.Time) bool {
	in.planning.Lock()
	defer in.planning.Unlock()
	return slices.Contains(in.cfg.Repair.Methods, repair.Backfill) &&
		!slices.ContainsFunc(in.planner.LeftOut(now), func(l repair.LeftOut) bool { return l.Method == repair.Backfill })
}

// backfillRefused records that X refuses backfill to this account, which is
// left out for an hour, and reports whether that is news.
func (in *Ingest) backfillRefused(now time.Time) (news bool) {
	in.planning.Lock()
	defer in.planning.Unlock()
	in.planner.NoBackfill(now)
	news, in.refusalLogged = !in.refusalLogged, true
	return news
}

// served reports whether the partition has a connection.
func (in *Ingest) served(p *partition) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.admission.Up(p.number) > 0
}

// tellWaiting logs at now who waits for the connect budget, once all that
// begin to wait together do, and again when a partition joins them.
func (in *Ingest) tellWaiting(now time.Time) {
	without, redundant, until, news := in.newlyWaiting(now)
	if !news {
		return
	}
	in.log.Warn("the connect budget is spent: connections wait", "stream", in.cfg.Stream.Name,
		"partitions_without_connection", strings.Trim(fmt.Sprint(without), "[]"), "redundant_connections", redundant,
		"until", until.UTC().Format(time.RFC3339))
}

// newlyWaiting returns the partitions without a connection and the number of
// redundant connections that wait for the connect budget, and until when, and
// whether that is news. The caller logs it if it is.
func (in *Ingest) newlyWaiting(now time.Time) (without []int, redundant int, until time.Time, news bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.waiting) == 0 {
		in.waitingSince, in.namedWaiting = time.Time{}, nil
		return nil, 0, time.Time{}, false
	}
	if in.waitingSince.IsZero() {
		in.waitingSince = now
	}
	if now.Sub(in.waitingSince) <= admission.Yielding {
		return nil, 0, time.Time{}, false
	}
	for c, again := range in.waiting {
		if again.After(until) {
			until = again
		}
		if n := c.partition.number; in.admission.Up(n) > 0 {
			redundant++
		} else if !slices.Contains(without, n) {
			without = append(without, n)
		}
	}
	slices.Sort(without)
	news = in.namedWaiting == nil || slices.ContainsFunc(without, func(n int) bool { return !slices.Contains(in.namedWaiting, n) })
	if news {
		in.namedWaiting = append([]int{}, without...) // not nil, even where all have a connection
	}
	return without, redundant, until, news
}

// dialRepair opens a connection for a repair, once the budget can spare one.
func (in *Ingest) dialRepair(ctx context.Context, r xapi.Request) (*xapi.Connection, *xapi.Problem) {
	err := in.await(ctx, func() (bool, time.Time) {
		now := in.now()
		in.mu.Lock()
		defer in.mu.Unlock()
		return in.admission.AskRepair(now)
	})
	if err != nil {
		return nil, xapi.AsProblem(err)
	}
	conn, limits, problem := in.send(ctx, in.cfg.Clients[0], r)
	now := in.now()
	in.mu.Lock()
	in.admission.RepairAnswered(now, limits, problem)
	in.mu.Unlock()
	in.changed.Broadcast()
	return conn, problem
}
