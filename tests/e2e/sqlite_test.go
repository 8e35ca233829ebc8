package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/xconnect-dev/xconnect/internal/checkpoint"
)

// table is a table of SQLite, without a unique key so that repeats show. It is
// opened anew each time, as after a crash.
type table struct {
	*testing.T
	dsn string
}

func dsn(path string) string {
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)"
}

func newTable(t *testing.T) *table {
	t.Helper()
	posts := &table{T: t, dsn: dsn(filepath.Join(t.TempDir(), "posts.db"))}
	posts.use(func(db *sql.DB) error {
		_, err := db.Exec("CREATE TABLE posts (id INTEGER NOT NULL)")
		return err
	})
	return posts
}

func (t *table) use(f func(db *sql.DB) error) {
	t.Helper()
	db, err := sql.Open("sqlite", t.dsn)
	if err == nil {
		err = errors.Join(f(db), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (t *table) rows() (n int) {
	t.Helper()
	t.use(func(db *sql.DB) error { return db.QueryRow("SELECT count(*) FROM posts").Scan(&n) })
	return n
}

// delivered is how often each Post is in the table.
func (t *table) delivered() delivered {
	t.Helper()
	have := delivered{}
	t.use(func(db *sql.DB) error {
		rows, err := db.Query("SELECT id, count(*) FROM posts GROUP BY id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id uint64
			var times int
			if err := rows.Scan(&id, &times); err != nil {
				return err
			}
			have[id] = times
		}
		return rows.Err()
	})
	return have
}

// state is where a pipeline keeps its checkpoint, for reading only.
type state interface {
	checkpoint.Store
	fmt.Stringer
	yaml() string // of the cache resource
}

func newState(t *testing.T, files bool) state {
	t.Helper()
	if files {
		return stateFiles(t.TempDir())
	}
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", dsn(path))
	if err == nil {
		_, err = db.Exec("CREATE TABLE state (k TEXT PRIMARY KEY, v BLOB)")
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return stateTable(dsn(path))
}

// stateFiles is a directory of the `file` cache.
type stateFiles string

func (d stateFiles) String() string { return "files" }

func (d stateFiles) yaml() string { return fmt.Sprintf("file: {directory: '%s'}", string(d)) }

// Get implements checkpoint.Store.
func (d stateFiles) Get(_ context.Context, key string) ([]byte, error) {
	value, err := os.ReadFile(filepath.Join(string(d), key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, checkpoint.ErrNotFound
	}
	return value, err
}

// Set implements checkpoint.Store.
func (stateFiles) Set(context.Context, string, []byte) error { return errors.ErrUnsupported }

// tear cuts the slot that was written last.
func (d stateFiles) tear(t *testing.T, random *rand.Rand) {
	t.Helper()
	newest, at, size := "", time.Time{}, int64(0)
	for _, slot := range []string{".a", ".b"} {
		path := filepath.Join(string(d), checkpointKey+slot)
		if info, err := os.Stat(path); err != nil {
			t.Fatal(err)
		} else if info.ModTime().After(at) {
			newest, at, size = path, info.ModTime(), info.Size()
		}
	}
	if err := os.Truncate(newest, random.Int64N(size+1)); err != nil {
		t.Fatal(err)
	}
}

// stateTable is a table of the `sql` cache.
type stateTable string

func (s stateTable) String() string { return "SQLite" }

func (s stateTable) yaml() string {
	return fmt.Sprintf("sql: {driver: sqlite, dsn: '%s', table: state, key_column: k, value_column: v, set_suffix: 'ON CONFLICT (k) DO UPDATE SET v = excluded.v'}", string(s))
}

// Get implements checkpoint.Store.
func (s stateTable) Get(ctx context.Context, key string) (value []byte, err error) {
	db, err := sql.Open("sqlite", string(s))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT v FROM state WHERE k = ?", key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, checkpoint.ErrNotFound
	}
	return value, err
}

// Set implements checkpoint.Store.
func (stateTable) Set(context.Context, string, []byte) error { return errors.ErrUnsupported }

// checkpointKey is that of the only partition by default.
const checkpointKey = "x_stream.1"
