package simulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func pair(buffer int) (client, server *memoryConn) { return memoryPipe(buffer, memoryAddr("host")) }

func TestMemoryWritesBlockWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(100)
		if n, err := client.Write(make([]byte, 100)); n != 100 || err != nil {
			t.Fatal(n, err)
		}
		client.SetWriteDeadline(time.Now().Add(time.Second))
		begin := time.Now()
		n, err := client.Write(make([]byte, 10))
		if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(begin))
		}
		client.SetWriteDeadline(time.Time{})
		go func() {
			time.Sleep(time.Minute)
			io.ReadFull(server, make([]byte, 50))
		}()
		if n, err := client.Write(make([]byte, 50)); n != 50 || err != nil || time.Since(begin) != time.Minute+time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(begin))
		}
	})
}

func TestMemoryPartialWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(100)
		client.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := client.Write(bytes.Repeat([]byte("x"), 150))
		if n != 100 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
		client.Close()
		if b, err := io.ReadAll(server); len(b) != 100 || err != nil {
			t.Errorf("%d, %v", len(b), err)
		}
	})
}

func TestMemoryCarriesAllBytesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(1 << 10)
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(mix(uint64(i)))
		}
		go func() {
			for i, step := 0, 1; i < len(sent); step = step*7%3001 + 1 {
				end := min(i+step, len(sent))
				client.Write(sent[i:end])
				i = end
			}
			client.CloseWrite()
		}()
		if got, err := io.ReadAll(server); !bytes.Equal(got, sent) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if _, err := server.Write([]byte("answer")); err != nil { // the other half is open
			t.Error(err)
		}
		answer := make([]byte, 6)
		if _, err := io.ReadFull(client, answer); string(answer) != "answer" || err != nil {
			t.Errorf("%q, %v", answer, err)
		}
	})
}

func TestMemoryReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := pair(100)
		begin := time.Now()
		client.SetReadDeadline(begin.Add(time.Hour))
		time.AfterFunc(time.Minute, func() { client.SetReadDeadline(time.Now().Add(time.Minute)) })
		_, err := client.Read(make([]byte, 1))
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() || time.Since(begin) != 2*time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		client.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestMemoryReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(100)
		server.Write([]byte("lost"))
		go func() {
			time.Sleep(time.Second)
			reset(server)
		}()
		if _, err := client.Write(make([]byte, 200)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v", err)
		}
		if n, err := client.Read(make([]byte, 10)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %d, %v", n, err)
		}
	})
}

func TestMemoryClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(100)
		server.Write([]byte("last words"))
		server.Close()
		if b, err := io.ReadAll(client); string(b) != "last words" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to the closed: %v", err)
		}
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of the closed: %v", err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write of the closed: %v", err)
		}
	})
}

func TestMemoryListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := false
		l := &MemoryListener{buffer: 10, refused: func() bool { return refused }, backlog: make(chan net.Conn, 1), closed: make(chan struct{})}
		waiting, err := l.Dial(t.Context(), "tcp", "host:80")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Dial(ctx, "tcp", "host:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the backlog is full: %v", err)
		}
		refused = true
		if _, err := l.Dial(t.Context(), "tcp", "host:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused: %v", err)
		}
		refused = false
		l.Close()
		l.Close()
		if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("never accepted: %v", err)
		}
		if _, err := l.Dial(t.Context(), "tcp", "host:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("closed: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
