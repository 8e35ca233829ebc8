package e2e

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/xconnect-dev/xconnect/tests/services"
)

type postgres struct{ *services.Postgres }

func startPostgres(t *testing.T) postgres {
	t.Helper()
	return postgres{services.StartPostgres(t)}
}

// newest is the creation of the newest Post.
func (p postgres) newest(t *testing.T) (at time.Time) {
	t.Helper()
	db := p.open(t)
	defer db.Close()
	if err := db.QueryRow("SELECT max(created_at) FROM posts").Scan(&at); err != nil {
		t.Fatal(err)
	}
	return at
}

func (p postgres) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", p.DSN)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (p postgres) each(t *testing.T, f func(id uint64, event []byte)) {
	t.Helper()
	db := p.open(t)
	defer db.Close()
	rows, err := db.Query(`SELECT id, created_at = to_timestamp(((id >> 22) + 1288834974657) / 1000.0), json_build_object(
		'data', data, 'includes', includes, 'matching_rules', matching_rules,
		'author', author_id::text, 'lang', lang, 'text', text) FROM posts`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uint64
		var dated bool
		var row []byte
		if err := rows.Scan(&id, &dated, &row); err != nil {
			t.Fatal(err)
		}
		if !dated {
			t.Errorf("Post %d: created_at is not the ID's", id)
		}
		f(id, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func (postgres) same(sent, stored []byte) error {
	event, post, err := decoded(sent)
	if err != nil {
		return err
	}
	var row map[string]any
	if err := json.Unmarshal(stored, &row); err != nil {
		return err
	}
	for _, column := range []string{"data", "includes", "matching_rules"} {
		if !reflect.DeepEqual(row[column], event[column]) {
			return fmt.Errorf("%s differs", column)
		}
	}
	if row["author"] != post["author_id"] || row["lang"] != post["lang"] || row["text"] != fullText(post) {
		return errors.New("a column differs")
	}
	return nil
}

// decoded is an event, and the Post in it.
func decoded(line []byte) (event, post map[string]any, err error) {
	if err := json.Unmarshal(line, &event); err != nil {
		return nil, nil, err
	}
	post, _ = event["data"].(map[string]any)
	return event, post, nil
}

// fullText is the whole text of a Post, of a long one too.
func fullText(post map[string]any) any {
	if note, long := post["note_tweet"].(map[string]any); long {
		return note["text"]
	}
	return post["text"]
}
