package services

import (
	"context"
	"testing"
)

// StartPostgres opens a PostgreSQL for a test, and closes it with the test.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	return start(t, OpenPostgres)
}

// StartRedis opens a Redis for a test, and closes it with the test.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	return start(t, OpenRedis)
}

// StartElasticsearch opens an Elasticsearch for a test, and closes it with the test.
func StartElasticsearch(t testing.TB) *Elasticsearch {
	t.Helper()
	return start(t, OpenElasticsearch)
}

// StartS3 opens an S3 for a test, and closes it with the test.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	return start(t, OpenS3)
}

// StartKafka opens a Kafka for a test, and closes it with the test.
func StartKafka(t testing.TB) *Kafka {
	t.Helper()
	return start(t, OpenKafka)
}

func start[S interface {
	Close() error
	logEnd() string
}](t testing.TB, open func(context.Context) (S, error)) S {
	t.Helper()
	s, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.logEnd())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
