package bench

import (
	"cmp"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xconnect-dev/xconnect/tests/services"
)

// store is a server that the Posts of a run end up in.
type store interface {
	// Env tells a pipeline where the server is.
	Env() []string
	// Restartable reports whether the server is ours.
	Restartable() bool
	// clear removes all Posts.
	clear() error
	// stored counts the different Posts, by the messages that the pipeline's
	// output sent them in, in the order in which they were written.
	stored() ([]int, error)
}

type postgres struct{ *services.Postgres }

func (p postgres) clear() error {
	// What is left to write of one run is not to be written in the next.
	return p.use(func(db *sql.DB) error {
		_, err := db.Exec("DROP TABLE IF EXISTS posts; CHECKPOINT")
		return err
	})
}

// stored counts the Posts of each INSERT, which is a transaction.
func (p postgres) stored() (posts []int, err error) {
	return posts, p.use(func(db *sql.DB) error {
		rows, err := db.Query("SELECT count(*) FROM posts GROUP BY xmin::text::bigint ORDER BY xmin::text::bigint")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return err
			}
			posts = append(posts, n)
		}
		return rows.Err()
	})
}

func (p postgres) use(f func(*sql.DB) error) error {
	db, err := sql.Open("postgres", p.DSN)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

type elasticsearch struct{ *services.Elasticsearch }

func (e elasticsearch) clear() error {
	indices, err := e.do(http.MethodGet, "/_cat/indices/posts-*?h=index")
	for _, index := range strings.Fields(string(indices)) {
		_, deleted := e.do(http.MethodDelete, "/"+index)
		err = errors.Join(err, deleted)
	}
	return err
}

// stored counts the documents, each of which is a message.
func (e elasticsearch) stored() ([]int, error) {
	if _, err := e.do(http.MethodPost, "/posts-*/_refresh"); err != nil {
		return nil, err
	}
	answer, err := e.do(http.MethodGet, "/posts-*/_count")
	if err != nil {
		return nil, err
	}
	var documents struct{ Count int }
	err = json.Unmarshal(answer, &documents)
	return slices.Repeat([]int{1}, documents.Count), err
}

func (e elasticsearch) do(method, path string) ([]byte, error) {
	req, err := http.NewRequest(method, e.URL+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s answers %s: %.500s", method, path, res.Status, body)
	}
	return body, err
}

type s3 struct{ *services.S3 }

func (s s3) clear() error { return os.RemoveAll(filepath.Join(s.Dir, s.Bucket, "posts")) }

// stored counts the Posts of each object, which is a message.
func (s s3) stored() (posts []int, err error) {
	objects, err := filepath.Glob(filepath.Join(s.Dir, s.Bucket, "posts", "*", "*", "*.jsonl.gz"))
	if err != nil {
		return nil, err
	}
	written := map[string]os.FileInfo{}
	for _, object := range objects {
		if written[object], err = os.Stat(object); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(objects, func(a, b string) int {
		return cmp.Or(written[a].ModTime().Compare(written[b].ModTime()), cmp.Compare(a, b))
	})
	ids := map[string]bool{}
	for _, object := range objects {
		before := len(ids)
		if err := readIDs(object, ids); err != nil {
			return nil, fmt.Errorf("%s: %w", object, err)
		}
		posts = append(posts, len(ids)-before)
	}
	return posts, nil
}

// readIDs adds the IDs of an object's Posts.
func readIDs(object string, ids map[string]bool) error {
	f, err := os.Open(object)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for lines := json.NewDecoder(z); ; {
		var post struct {
			Data struct{ ID string }
		}
		if err := lines.Decode(&post); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		ids[post.Data.ID] = true
	}
}
