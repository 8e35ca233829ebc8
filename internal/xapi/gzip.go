package xapi

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"unicode/utf8"
)

func isGzip(res *http.Response) bool { return res.Header.Get("Content-Encoding") == "gzip" }

// gunzip is a gzip.Reader that reads the header of the format at its first
// Read, for X may send that header only with the first line.
type gunzip struct {
	src io.Reader
	z   *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(bufio.NewReaderSize(g.src, readBufferBytes))
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}

// suspectsMost bounds the lines that a client suspects. The oldest are
// forgotten all at once: a line that was seen too long ago ends a connection
// once more.
const suspectsMost = 100

// suspects are lines that were not JSON and ended a compressed connection for
// it. Damage hardly ever makes the same line twice: one that comes again, as it
// does with the backfill of the next connection, is X's own.
type suspects struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
}

// again reports whether line was suspected before, and suspects it from now on.
func (s *suspects) again(line []byte) bool {
	digest := sha256.Sum256(line)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[digest] {
		return true
	}
	if s.seen == nil || len(s.seen) == suspectsMost {
		s.seen = map[[sha256.Size]byte]bool{}
	}
	s.seen[digest] = true
	return false
}

// untilDamage drops all lines from the first one on that cannot be X's. In a
// compressed response such a line means that the rest is garbage, too.
func (s *suspects) untilDamage(dst [][]byte, had int) ([][]byte, error) {
	for i := had; i < len(dst); i++ {
		line := dst[i]
		if len(line) > 0 && !(json.Valid(line) && utf8.Valid(line)) && !s.again(line) {
			return dst[:i], errDamagedGzip
		}
	}
	return dst, nil
}
