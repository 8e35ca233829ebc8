package services

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports below those that systems give to outgoing connections (Linux: 32768 and
// up). While a server is stopped, a client's connection could take such a port,
// even one to that very port, which then is connected to itself.
const (
	firstPort = 15_000
	ports     = 17_000
)

// freeAddress is a loopback address on which nothing listens just now.
func freeAddress() (string, error) {
	var errs error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		errs = errors.Join(errs, err)
	}
	return "", fmt.Errorf("no free port: %w", errs)
}
