package services

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// get asks for a URL on a connection of its own, which must answer the status.
func get(ctx context.Context, url string, status int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != status {
		return fmt.Errorf("%s answers %s: %.200s", url, res.Status, body)
	}
	return nil
}
