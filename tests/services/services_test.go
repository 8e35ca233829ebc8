package services

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// store is a server to which a test writes values, and reads all it has.
type store struct {
	*Server
	write func(value string) error
	read  func() (string, error)
}

// A test that takes a server away trusts that it is gone, that it comes back
// where it was, and that it kept all that it had acknowledged.
func TestRestart(t *testing.T) {
	skipShort(t)
	for _, test := range []struct {
		name  string
		start func(*testing.T) store
	}{
		{"postgres", postgresStore},
		{"redis", redisStore},
		{"elasticsearch", elasticsearchStore},
		{"s3", s3Store},
		{"kafka", kafkaStore},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			s := test.start(t)
			t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
			if !s.Restartable() {
				t.Skip("the server is not ours to restart")
			}
			for _, value := range []string{"first", "second"} {
				if err := s.write(value); err != nil {
					t.Fatal(err)
				}
				if err := s.Stop(); err != nil {
					t.Fatal(err)
				}
				if c, err := net.Dial("tcp", s.address); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Fatalf("dialing a stopped server: %v, %v", c, err)
				}
				began := time.Now()
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
				t.Logf("started again in %v", time.Since(began).Round(time.Millisecond))
				if all, err := s.read(); err != nil || !strings.Contains(all, value) {
					t.Fatalf("after a restart the server has lost %q: it has %q, %v", value, all, err)
				}
			}
			if err := s.Start(); err == nil {
				t.Error("a server that runs was started again")
			}
			if all, err := s.read(); err != nil || !strings.Contains(all, "first") {
				t.Errorf("after two restarts the server has lost the first value: it has %q, %v", all, err)
			}
		})
	}
}

func postgresStore(t *testing.T) store {
	p := StartPostgres(t)
	db, err := sql.Open("postgres", p.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec("CREATE TABLE posts (id text PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	return store{
		Server: p.Server,
		write: func(value string) error {
			_, err := db.Exec("INSERT INTO posts VALUES ($1)", value)
			return err
		},
		read: func() (all string, err error) {
			err = db.QueryRow("SELECT string_agg(id, ' ') FROM posts").Scan(&all)
			return all, err
		},
	}
}

func redisStore(t *testing.T) store {
	r := StartRedis(t)
	command := func(line string) (string, error) {
		u, err := url.Parse(r.URL)
		if err != nil {
			return "", err
		}
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return "", err
		}
		defer c.Close()
		// The server closes the connection after QUIT.
		if _, err := io.WriteString(c, line+"\r\nQUIT\r\n"); err != nil {
			return "", err
		}
		answer, err := io.ReadAll(c)
		if strings.HasPrefix(string(answer), "-") {
			return "", fmt.Errorf("%s: %s", line, answer)
		}
		return string(answer), err
	}
	return store{
		Server: r.Server,
		write: func(value string) error {
			_, err := command("RPUSH posts " + value)
			return err
		},
		read: func() (string, error) { return command("LRANGE posts 0 -1") },
	}
}

func elasticsearchStore(t *testing.T) store {
	e := StartElasticsearch(t)
	post := func(path, body string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+path, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err == nil && (res.StatusCode != http.StatusOK || strings.Contains(string(answer), `"errors":true`)) {
			err = fmt.Errorf("%s: %s %s", path, res.Status, answer)
		}
		return string(answer), err
	}
	return store{
		Server: e.Server,
		write: func(value string) error {
			_, err := post("/_bulk", fmt.Sprintf("{\"create\":{\"_index\":\"posts\"}}\n{\"text\":%q}\n", value))
			return err
		},
		read: func() (string, error) {
			if _, err := post("/posts/_refresh", ""); err != nil {
				return "", err
			}
			return post("/posts/_search?filter_path=hits.hits._source", "")
		},
	}
}

func s3Store(t *testing.T) store {
	s3 := StartS3(t)
	do := func(method, path, body string) (string, error) {
		status, answer, err := s3.Do(t.Context(), method, path, []byte(body))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%s %s: %d %s", method, path, status, answer)
		}
		return string(answer), err
	}
	return store{
		Server: s3.Server,
		write: func(value string) error {
			_, err := do(http.MethodPut, "/"+s3.Bucket+"/a%20folder=1/"+value, value)
			return err
		},
		read: func() (string, error) {
			return do(http.MethodGet, "/"+s3.Bucket+"?list-type=2&prefix=a+folder%3D1/", "")
		},
	}
}

func kafkaStore(t *testing.T) store {
	k := StartKafka(t)
	if !k.Restartable() {
		t.Skip("only with a Kafka of ours come its programs")
	}
	tool := func(stdin string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), k.java, append([]string{"-cp", k.classes}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		var log strings.Builder
		cmd.Stderr = &log
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%v: %w\n%s", args, err, log.String())
		}
		return string(out), err
	}
	written := 0
	return store{
		Server: k.Server,
		write: func(value string) error {
			written++
			_, err := tool(value+"\n", "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", k.Brokers,
				"--topic", "posts")
			return err
		},
		read: func() (string, error) {
			return tool("", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", k.Brokers,
				"--topic", "posts", "--from-beginning", "--max-messages", fmt.Sprint(written), "--timeout-ms", "30000")
		},
	}
}

// An output with a wrong secret must fail in a test as it fails at AWS.
func TestS3ChecksSignatures(t *testing.T) {
	skipShort(t)
	s3 := StartS3(t)
	object := "/" + s3.Bucket + "/1.json"
	if status, answer, err := s3.Do(t.Context(), http.MethodPut, object, []byte(`{"id":"1"}`)); err != nil || status != http.StatusOK {
		t.Fatalf("a signed PUT: %d %s, %v", status, answer, err)
	}
	if s3.Dir != "" {
		if b, err := os.ReadFile(filepath.Join(s3.Dir, object)); err != nil || string(b) != `{"id":"1"}` {
			t.Errorf("the object's file has %q, %v", b, err)
		}
	}
	wrong := *s3
	wrong.SecretKey += "!"
	if status, answer, err := wrong.Do(t.Context(), http.MethodGet, object, nil); err != nil || status != http.StatusForbidden {
		t.Errorf("a GET with a wrong secret: %d %s, %v", status, answer, err)
	}
	if err := get(t.Context(), s3.Endpoint+object, http.StatusForbidden); err != nil {
		t.Errorf("a GET without a signature: %v", err)
	}
}

// A server that a variable names belongs to someone.
func TestNamedServer(t *testing.T) {
	skipShort(t)
	ours := StartRedis(t)
	t.Setenv(redisVariable, ours.URL)
	t.Run("is left alone", func(t *testing.T) {
		named := StartRedis(t)
		if named.URL != ours.URL || named.Restartable() {
			t.Errorf("the server is at %s, restartable: %t", named.URL, named.Restartable())
		}
		for what, err := range map[string]error{"stopped": named.Stop(), "started": named.Start()} {
			if err == nil || !strings.Contains(err.Error(), redisVariable) {
				t.Errorf("when it is %s: %v", what, err)
			}
		}
	})
	if err := ours.ping(t.Context()); err != nil {
		t.Errorf("after the test: %v", err)
	}
}

// Test binaries are killed, by people and by go test's timeout.
func TestKilledTestLeavesNoServer(t *testing.T) {
	if os.Getenv("XCONNECT_TEST_KILLED") != "" {
		fmt.Println(StartRedis(t).URL)
		select {}
	}
	skipShort(t)
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process that its parent has ended")
	}
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // of what the killed test cannot remove
	cmd := exec.Command(test, "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "XCONNECT_TEST_KILLED=1", redisVariable+"=", "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(refusesWithin); ; time.Sleep(pollInterval) {
		c, err := net.Dial("tcp", u.Host)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			c.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server of a killed test still listens: %v", err)
		}
	}
}

func TestFailedStart(t *testing.T) {
	s, err := newServer("Broken", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.command = func() *exec.Cmd { return exec.Command("sh", "-c", "echo no such setting; exit 3") }
	s.healthy = func(ctx context.Context) error { return get(ctx, "http://"+s.address, http.StatusOK) }
	err = s.open(t.Context())
	for _, part := range []string{"Broken does not start", "exit status 3", "no such setting"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if exists(s.dir) {
		t.Errorf("%s is still there", s.dir)
	}
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("installs and starts real servers")
	}
}
