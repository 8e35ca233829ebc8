package simulator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"
)

// onTCP serves a simulator on a loopback port, in real time.
func onTCP(t *testing.T, config Config) (sim *Simulator, base string) {
	t.Helper()
	sim, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
			t.Error("the port is open after the end")
		}
	})
	return sim, "http://" + l.Addr().String()
}

// eventually repeats a check that depends on real time.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !check(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func tcpGet(base, path string) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodGet, base+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer simulator")
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
}

func TestTCPPortIsClosedWhileRefused(t *testing.T) {
	sim, base := onTCP(t, Config{})
	response, err := tcpGet(base, sample)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() // stays open throughout
	if _, err := sim.Break(Fault{Kind: Refuse, For: time.Second}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a refused dial", func() bool {
		_, err := net.Dial("tcp", base[len("http://"):])
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	eventually(t, "a dial after the refusal", func() bool {
		r, err := tcpGet(base, filtered)
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	})
}

func TestTCPRefusalsByCountAreResets(t *testing.T) {
	sim, base := onTCP(t, Config{})
	if _, err := sim.Break(Fault{Kind: Refuse, Count: 2}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r, err := tcpGet(base, filtered); err == nil {
			r.Body.Close()
			t.Error("not refused")
		}
	}
	r, err := tcpGet(base, filtered)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}

func TestTCPReset(t *testing.T) {
	sim, base := onTCP(t, Config{})
	r, err := tcpGet(base, filtered)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an open connection", func() bool { return len(sim.Connections().Open) == 1 })
	if h, err := sim.Break(Fault{Kind: Reset}); err != nil || h.Hits != 1 {
		t.Fatal(h, err)
	}
	read := &reading{response: r, body: r.Body}
	if read.read(20 * time.Second); !errors.Is(read.end, syscall.ECONNRESET) {
		t.Errorf("end %v", read.end)
	}
}

func TestTCPServesEveryPost(t *testing.T) {
	sim, base := onTCP(t, Config{Rate: 5000})
	r, err := tcpGet(base, filtered)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an open connection", func() bool { return len(sim.Connections().Open) == 1 })
	opened := sim.Connections().Open[0].Opened
	got := (&reading{response: r, body: r.Body}).read(time.Second).ids()
	seq, err := sim.Expected("filtered", 0, opened, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Collect(seq)
	if len(got) == 0 || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		t.Errorf("%d Posts in a second at 5,000 a second are not the first of %d", len(got), len(want))
	}
}
