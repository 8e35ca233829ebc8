package services

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

const (
	s3Variable = "XCONNECT_TEST_S3"
	s3Bucket   = "posts"
	s3Region   = "us-east-1"
)

// S3 is versitygw over a directory: it checks signatures, and takes addresses in
// path style.
type S3 struct {
	*Server
	Endpoint  string // http://host:port
	AccessKey string
	SecretKey string
	Region    string
	Bucket    string // is there from the beginning
	Dir       string // has a folder for each bucket, with a file for each object; empty if the S3 is not ours
}

// OpenS3 starts an S3, or takes the one that is named, and makes its bucket.
func OpenS3(ctx context.Context) (*S3, error) {
	s3, err := openS3(ctx)
	if err != nil {
		return nil, err
	}
	if err := s3.MakeBucket(ctx, s3.Bucket); err != nil {
		return nil, errors.Join(err, s3.Close())
	}
	return s3, nil
}

func openS3(ctx context.Context) (*S3, error) {
	if endpoint := os.Getenv(s3Variable); endpoint != "" {
		s3 := &S3{
			Server:    &Server{name: "S3", variable: s3Variable},
			Endpoint:  endpoint,
			AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"),
			SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
			Region:    cmp.Or(os.Getenv("AWS_REGION"), s3Region),
			Bucket:    cmp.Or(os.Getenv("S3_BUCKET"), s3Bucket),
		}
		s3.healthy = s3.list
		return s3, s3.open(ctx)
	}
	gateway, err := installVersitygw(ctx)
	if err != nil {
		return nil, missing("S3", s3Variable, "endpoint", err)
	}
	s, err := newServer("S3", nil)
	if err != nil {
		return nil, err
	}
	s3 := &S3{
		Server:    s,
		Endpoint:  "http://" + s.address,
		AccessKey: "xconnect",
		SecretKey: "xconnect-secret",
		Region:    s3Region,
		Bucket:    s3Bucket,
		Dir:       filepath.Join(s.dir, "buckets"),
	}
	if err := os.Mkdir(s3.Dir, 0o755); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.healthy = s3.list
	s.command = func() *exec.Cmd {
		cmd := exec.Command(gateway, "--port", s.address, "--region", s3.Region, "--keep-alive", "posix", s3.Dir)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3.AccessKey, "ROOT_SECRET_KEY="+s3.SecretKey)
		return cmd
	}
	return s3, s.open(ctx)
}

// Env has the bucket and the credentials for the environment of a pipeline.
func (s3 *S3) Env() []string {
	return []string{
		"S3_ENDPOINT=" + s3.Endpoint,
		"S3_BUCKET=" + s3.Bucket,
		"S3_FORCE_PATH_STYLE=true",
		"AWS_ACCESS_KEY_ID=" + s3.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s3.SecretKey,
		"AWS_REGION=" + s3.Region,
	}
}

// MakeBucket makes a bucket that may be there already.
func (s3 *S3) MakeBucket(ctx context.Context, name string) error {
	status, answer, err := s3.Do(ctx, http.MethodPut, "/"+name, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK && status != http.StatusConflict {
		return fmt.Errorf("S3: making bucket %s: %d %s", name, status, answer)
	}
	return nil
}

// Do makes a signed request, as GET /bucket?list-type=2 or PUT /bucket/key.
func (s3 *S3) Do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	req, err := s3.request(ctx, method, path, body)
	if err != nil {
		return 0, nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// list asks for the buckets.
func (s3 *S3) list(ctx context.Context) error {
	status, answer, err := s3.Do(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("S3: listing buckets: %d %s", status, answer)
	}
	return nil
}

// installVersitygw builds it from the module beside this file, whose tool it is.
func installVersitygw(ctx context.Context) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(file), "versitygw")
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("the module that builds it: %w", err)
	}
	dir, err := cached(ctx, fmt.Sprintf("versitygw-%.6x", sha256.Sum256(sums)), func(ctx context.Context, dir string) error {
		cmd := exec.CommandContext(ctx, "go", "build", "-C", module, "-o", dir, "-ldflags", "-s -w",
			"github.com/versity/versitygw/cmd/versitygw")
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
		return install(cmd)
	})
	return filepath.Join(dir, "versitygw"), err
}
