// Serve runs the servers of the tests for a person:
//
//	go run ./tests/services/serve postgres elasticsearch s3 redis kafka
//
// It starts those that are named, all if none is, prints lines for a shell that
// a pipeline finds them by, and stops them when it is interrupted.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/xconnect-dev/xconnect/tests/services"
)

type server interface {
	Env() []string
	Close() error
}

var servers = map[string]func(context.Context) (server, error){
	"elasticsearch": opener(services.OpenElasticsearch),
	"kafka":         opener(services.OpenKafka),
	"postgres":      opener(services.OpenPostgres),
	"redis":         opener(services.OpenRedis),
	"s3":            opener(services.OpenS3),
}

func opener[S server](open func(context.Context) (S, error)) func(context.Context) (server, error) {
	return func(ctx context.Context) (server, error) { return open(ctx) }
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve runs the named servers until ctx ends.
func serve(ctx context.Context, names []string) (err error) {
	known := slices.Sorted(maps.Keys(servers))
	for _, name := range names {
		if servers[name] == nil {
			return fmt.Errorf("there is no server %q: choose from %s", name, strings.Join(known, ", "))
		}
	}
	if len(names) == 0 {
		names = known
	}
	for _, name := range names {
		s, openErr := servers[name](ctx)
		if openErr != nil {
			return openErr
		}
		defer func() {
			if closeErr := s.Close(); err == nil {
				err = closeErr
			}
		}()
		for _, variable := range s.Env() {
			name, value, _ := strings.Cut(variable, "=")
			fmt.Printf("export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
		}
	}
	fmt.Fprintln(os.Stderr, "All servers run. Ctrl-C ends them and removes their data.")
	<-ctx.Done()
	return nil
}
