package services

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

const redisVariable = "XCONNECT_TEST_REDIS"

// Redis is a Redis that appends to its file before it answers.
type Redis struct {
	*Server
	URL string // redis://host:port
}

// OpenRedis starts a Redis, or takes the one that is named.
func OpenRedis(ctx context.Context) (*Redis, error) {
	if address := os.Getenv(redisVariable); address != "" {
		r := &Redis{Server: &Server{name: "Redis", variable: redisVariable}, URL: address}
		r.healthy = r.ping
		return r, r.open(ctx)
	}
	server, err := debian(lookPath("redis-server"), "redis-server")
	if err != nil {
		return nil, missing("Redis", redisVariable, "URL", err)
	}
	s, err := newServer("Redis", nil)
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(s.address, ":")
	s.command = func() *exec.Cmd {
		return exec.Command(server, "--bind", host, "--port", port, "--dir", s.dir,
			"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	}
	r := &Redis{Server: s, URL: "redis://" + s.address}
	s.healthy = r.ping
	return r, r.open(ctx)
}

// Env has the URL for the environment of a pipeline.
func (r *Redis) Env() []string { return []string{"REDIS_URL=" + r.URL} }

func (r *Redis) ping(ctx context.Context) error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	// One that was named may want a password first.
	if !strings.HasPrefix(answer, "+PONG") && !strings.HasPrefix(answer, "-NOAUTH") {
		return fmt.Errorf("PING: %s", strings.TrimSpace(answer))
	}
	return nil
}
