package services

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	elasticsearchVariable = "XCONNECT_TEST_ELASTICSEARCH"
	elasticsearchVersion  = "8.19.5"
)

// Elasticsearch is one node without security.
type Elasticsearch struct {
	*Server
	URL string // http://host:port
}

// OpenElasticsearch starts an Elasticsearch, or takes the one that is named.
func OpenElasticsearch(ctx context.Context) (*Elasticsearch, error) {
	if address := os.Getenv(elasticsearchVariable); address != "" {
		e := &Elasticsearch{Server: &Server{name: "Elasticsearch", variable: elasticsearchVariable}, URL: strings.TrimRight(address, "/")}
		e.healthy = e.health
		return e, e.open(ctx)
	}
	jdk, err := java()
	if err != nil {
		return nil, missing("Elasticsearch", elasticsearchVariable, "URL", err)
	}
	home, err := cached(ctx, "elasticsearch-"+elasticsearchVersion, installElasticsearch)
	if err != nil {
		return nil, missing("Elasticsearch", elasticsearchVariable, "URL", err)
	}
	user, err := account("nobody", "daemon")
	if err != nil {
		return nil, fmt.Errorf("Elasticsearch: %w", err)
	}
	s, err := newServer("Elasticsearch", user)
	if err != nil {
		return nil, err
	}
	config, temporary := filepath.Join(s.dir, "config"), filepath.Join(s.dir, "tmp")
	if err := configureElasticsearch(s, config, temporary); err != nil {
		return nil, errors.Join(fmt.Errorf("Elasticsearch: %w", err), s.Close())
	}
	s.command = func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(home, "bin", "elasticsearch"))
		cmd.Env = append(os.Environ(), "ES_JAVA_HOME="+jdk, "ES_PATH_CONF="+config, "ES_TMPDIR="+temporary)
		return cmd
	}
	e := &Elasticsearch{Server: s, URL: "http://" + s.address}
	s.healthy = e.health
	return e, e.open(ctx)
}

// Env has the URL for the environment of a pipeline.
func (e *Elasticsearch) Env() []string { return []string{"ELASTICSEARCH_URL=" + e.URL} }

// health asks for all primary shards: an index that was written before a
// restart cannot be searched before it is back.
func (e *Elasticsearch) health(ctx context.Context) error {
	return get(ctx, e.URL+"/_cluster/health?wait_for_status=yellow&timeout=1s", http.StatusOK)
}

// installElasticsearch takes the distribution that Elastic publishes for tests,
// without a Java and with the modules transport-netty4 and x-pack-core only.
func installElasticsearch(ctx context.Context, dir string) error {
	work, err := os.MkdirTemp("", "xconnect-elasticsearch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := maven(ctx, work, false, artifact{
		"org.elasticsearch.distribution.integ-test-zip", "elasticsearch", elasticsearchVersion, "zip",
	}); err != nil {
		return err
	}
	name := "elasticsearch-" + elasticsearchVersion
	archive, err := zip.OpenReader(filepath.Join(work, name+".zip"))
	if err != nil {
		return err
	}
	defer archive.Close()
	files, err := fs.Sub(archive, name)
	if err != nil {
		return err
	}
	return os.CopyFS(dir, files)
}

// configureElasticsearch writes the three files without which it does not start.
// It wants a folder for temporary files that does not contain them.
func configureElasticsearch(s *Server, config, temporary string) error {
	for _, dir := range []string{config, temporary} {
		if err := errors.Join(os.Mkdir(dir, 0o755), s.own(dir)); err != nil {
			return err
		}
	}
	transport, err := freeAddress()
	if err != nil {
		return err
	}
	host, port, _ := strings.Cut(s.address, ":")
	_, transportPort, _ := strings.Cut(transport, ":")
	for name, content := range map[string]string{
		"elasticsearch.yml": fmt.Sprintf(`discovery.type: single-node
xpack.security.enabled: false
network.host: %s
http.port: %s
transport.port: %s
path.data: %s
path.logs: %s
# The disk of a machine for tests may be nearly full.
cluster.routing.allocation.disk.threshold_enabled: false
`, host, port, transportPort, filepath.Join(s.dir, "data"), filepath.Join(s.dir, "logs")),
		"jvm.options": "-Xms512m\n-Xmx512m\n-Djava.io.tmpdir=" + temporary + "\n",
		"log4j2.properties": `appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`,
	} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
