package xapi

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
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

// untilDamage drops all lines from the first one on that cannot be X's. In a
// compressed response such a line means that the rest is garbage, too.
func untilDamage(dst [][]byte, had int) ([][]byte, error) {
	for i := had; i < len(dst); i++ {
		if line := dst[i]; len(line) > 0 && !(json.Valid(line) && utf8.Valid(line)) {
			return dst[:i], errDamagedGzip
		}
	}
	return dst, nil
}
