package services

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	_ "github.com/lib/pq" // the driver
)

const postgresVariable = "XCONNECT_TEST_POSTGRES"

// Postgres is a PostgreSQL with its default settings, a database, and the
// database's owner, a superuser.
type Postgres struct {
	*Server
	DSN string // postgres://user:password@host:port/database?sslmode=disable
}

// OpenPostgres starts a PostgreSQL, or takes the one that is named.
func OpenPostgres(ctx context.Context) (*Postgres, error) {
	if dsn := os.Getenv(postgresVariable); dsn != "" {
		p := &Postgres{Server: &Server{name: "PostgreSQL", variable: postgresVariable}, DSN: dsn}
		p.healthy = func(ctx context.Context) error { return ask(ctx, dsn, "SELECT 1") }
		return p, p.open(ctx)
	}
	server, err := debian(findPostgres, "postgresql")
	if err != nil {
		return nil, missing("PostgreSQL", postgresVariable, "DSN", err)
	}
	owner, err := account("postgres", "nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	s, err := newServer("PostgreSQL", owner)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	if err := initdb(ctx, s, filepath.Join(filepath.Dir(server), "initdb"), data); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	host, port, _ := strings.Cut(s.address, ":")
	s.command = func() *exec.Cmd {
		return exec.Command(server, "-D", data, "-h", host, "-p", port, "-k", s.dir)
	}
	// Its immediate shutdown, which leaves all to the recovery. SIGKILL would
	// leave its children too, which have groups of their own: they hold its
	// memory for a while, and meanwhile no other starts.
	s.crash = syscall.SIGQUIT
	dsn := func(database string) string {
		return fmt.Sprintf("postgres://xconnect:xconnect@%s/%s?sslmode=disable", s.address, database)
	}
	s.healthy = func(ctx context.Context) error { return ask(ctx, dsn("postgres"), "SELECT 1") }
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := ask(ctx, dsn("postgres"), "CREATE DATABASE xconnect"); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL: %w", err), s.Close())
	}
	return &Postgres{Server: s, DSN: dsn("xconnect")}, nil
}

// Env has the DSN for the environment of a pipeline.
func (p *Postgres) Env() []string { return []string{"POSTGRES_DSN=" + p.DSN} }

func initdb(ctx context.Context, s *Server, program, data string) error {
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte("xconnect\n"), 0o644); err != nil {
		return err
	}
	return s.run(ctx, program, "--pgdata", data, "--username", "xconnect", "--pwfile", password,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
}

// findPostgres prefers the newest of Debian's versions, which are not in PATH.
func findPostgres() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/[1-9][0-9]/bin/postgres")
	if len(found) > 0 {
		return found[len(found)-1]
	}
	return lookPath("postgres")()
}

// ask executes a statement on a connection of its own.
func ask(ctx context.Context, dsn, statement string) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
