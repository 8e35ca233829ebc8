package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// pipelinesDir is where the pipelines are that users copy.
const pipelinesDir = "../../config"

// required are the variables that have no default, with values that the linter
// takes. A pipeline may use no others.
var required = map[string]string{
	"X_BEARER_TOKEN":    "token",
	"POSTGRES_DSN":      "postgres://localhost/posts",
	"ELASTICSEARCH_URL": "http://localhost:9200",
	"S3_BUCKET":         "posts",
	"KAFKA_BROKERS":     "localhost:9092",
	"REDIS_URL":         "redis://localhost:6379",
}

// defaults are the others.
var defaults = map[string]string{
	"X_BASE_URL":          "https://api.x.com",
	"X_STATE_DIR":         "./state",
	"X_HTTP_ADDRESS":      "127.0.0.1:4195",
	"X_CHECKPOINT_KEY":    "x_stream",
	"S3_ENDPOINT":         "",
	"S3_FORCE_PATH_STYLE": "false",
	"POSTS_FILE":          "posts.jsonl",
}

// shippedFiles are the pipelines' names, without those of their tests.
func shippedFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(pipelinesDir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if name := filepath.Base(path); !strings.HasSuffix(name, "_benthos_test.yaml") {
			names = append(names, name)
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %q in %s", names, pipelinesDir)
	}
	return names
}

// shippedFile is a file of pipelinesDir.
func shippedFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(pipelinesDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPipelinesAreLinted(t *testing.T) {
	for name, value := range required {
		t.Setenv(name, value)
	}
	if status, out := xconnect(t, pipelinesDir, append([]string{"lint"}, shippedFiles(t)...)...); status != 0 || out != "" {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestPipelinesPassTheirTests(t *testing.T) {
	status, out := xconnect(t, pipelinesDir, "test", "./...")
	if status != 0 {
		t.Errorf("status %d:\n%s", status, out)
	}
	for _, name := range shippedFiles(t) {
		maps := strings.Contains(shippedFile(t, name), "mapping:")
		if tested := strings.Contains(out, name); tested != maps {
			t.Errorf("%s has a mapping: %t, has tests: %t", name, maps, tested)
		}
	}
}

var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+)(:[^}]*)?\}`)

func TestPipelinesUseTheDocumentedVariables(t *testing.T) {
	readme := shippedFile(t, "README.md")
	for name := range required {
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("README.md says nothing of %s", name)
		}
	}
	for name, value := range defaults {
		if row := regexp.MustCompile("\\| `" + name + "` \\|.*\\| (.*)\\|\n").FindStringSubmatch(readme); row == nil || strings.Trim(row[1], "` ") != value {
			t.Errorf("README.md does not say that %s is %q by default", name, value)
		}
	}
	for _, file := range shippedFiles(t) {
		t.Run(file, func(t *testing.T) {
			text := shippedFile(t, file)
			head, _, _ := strings.Cut(text, "\n\n")
			used := map[string]bool{}
			for _, m := range variable.FindAllStringSubmatch(text, -1) {
				name, value := m[1], m[2]
				used[name] = true
				if _, ok := required[name]; ok && value == "" {
					continue
				}
				if d, ok := defaults[name]; !ok || value != ":"+d {
					t.Errorf("%s is neither required nor does it have the default that is documented", m[0])
				}
			}
			want := []string{"X_BEARER_TOKEN", "X_BASE_URL", "X_HTTP_ADDRESS"}
			if file != "quickstart.yaml" {
				want = append(want, "X_CHECKPOINT_KEY")
				for name := range used {
					if !strings.Contains(head, name) {
						t.Errorf("the head does not name %s", name)
					}
				}
			}
			for _, name := range want {
				if !used[name] {
					t.Errorf("%s is not used", name)
				}
			}
		})
	}
}

func TestPipelinesAreInTheIndex(t *testing.T) {
	readme := shippedFile(t, "README.md")
	for _, file := range shippedFiles(t) {
		if row := fmt.Sprintf("\n| [%[1]s](%[1]s) | ", file); !strings.Contains(readme, row) {
			t.Errorf("%s is not in the table of README.md", file)
		}
	}
}

// partAt is what stands at a path of a pipeline.
func partAt(t *testing.T, file, path string) any {
	t.Helper()
	var at any
	if err := yaml.Unmarshal([]byte(shippedFile(t, file)), &at); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for key := range strings.SplitSeq(path, "/") {
		switch node := at.(type) {
		case map[string]any:
			at = node[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(node) {
				t.Fatalf("%s: there is no %s in %s", file, key, path)
			}
			at = node[i]
		}
		if at == nil {
			t.Fatalf("%s: there is no %s in %s", file, key, path)
		}
	}
	return at
}

func textAt(t *testing.T, file, path string) string {
	t.Helper()
	s, ok := partAt(t, file, path).(string)
	if !ok {
		t.Fatalf("%s: %s is no text", file, path)
	}
	return s
}

// What several pipelines share is written out in each, for each is to be copied
// alone. It must not drift apart.
func TestPipelinesShareTheirParts(t *testing.T) {
	for _, c := range []struct{ file, path, as, asPath string }{
		{"redundant_hosts.yaml", "pipeline", "filtered_to_postgres.yaml", "pipeline"},
		{"redundant_hosts.yaml", "output", "filtered_to_postgres.yaml", "output"},
		{"fan_out.yaml", "output/broker/outputs/2/processors", "filtered_to_postgres.yaml", "pipeline/processors"},
		{"fan_out.yaml", "output/broker/outputs/2/switch", "filtered_to_postgres.yaml", "output/switch"},
		{"fan_out.yaml", "output/broker/outputs/1/processors", "filtered_to_elasticsearch.yaml", "pipeline/processors"},
		{"fan_out.yaml", "output/broker/outputs/1/switch", "filtered_to_elasticsearch.yaml", "output/switch"},
		{"fan_out.yaml", "output/broker/outputs/0/processors", "filtered_to_s3.yaml", "pipeline/processors"},
		{"fan_out.yaml", "output/broker/outputs/0/switch", "filtered_to_s3.yaml", "output/switch"},
		{"fan_out.yaml", "cache_resources", "filtered_to_elasticsearch.yaml", "cache_resources"},
		{"filtered_to_files.yaml", "output/switch/cases/1/output/broker/batching", "filtered_to_s3.yaml", "output/switch/cases/1/output/broker/batching"},
	} {
		if !reflect.DeepEqual(partAt(t, c.file, c.path), partAt(t, c.as, c.asPath)) {
			t.Errorf("%s of %s differs from %s of %s", c.path, c.file, c.asPath, c.as)
		}
	}
	for _, file := range shippedFiles(t) {
		if file == "quickstart.yaml" {
			continue
		}
		if partAt(t, file, "error_handling/strict") != true {
			t.Errorf("%s: error handling is not strict", file)
		}
		if file != "redundant_hosts.yaml" && !reflect.DeepEqual(partAt(t, file, "cache_resources/0"), partAt(t, "filtered_to_stdout.yaml", "cache_resources/0")) {
			t.Errorf("%s: its checkpoint is not kept as in filtered_to_stdout.yaml", file)
		}
	}
}

func TestIndexTemplateIsTheOneBesideThePipeline(t *testing.T) {
	request := textAt(t, "filtered_to_elasticsearch.yaml", "pipeline/processors/0/branch/request_map")
	_, request, _ = strings.Cut(request, "batch_index() == 0 {")
	request, _, _ = strings.Cut(request, "} else {")
	var inline, beside any
	if err := json.Unmarshal([]byte(request), &inline); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(shippedFile(t, "filtered_to_elasticsearch.template.json")), &beside); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(inline, beside) {
		t.Error("the index template of the pipeline differs from filtered_to_elasticsearch.template.json")
	}
}

func TestTableIsTheOneBesideThePipeline(t *testing.T) {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	beside := words(regexp.MustCompile(`--.*`).ReplaceAllString(shippedFile(t, "filtered_to_postgres.sql"), ""))
	inline := words(textAt(t, "filtered_to_postgres.yaml", "output/switch/cases/1/output/broker/outputs/0/sql_raw/queries/0/query"))
	if want := "DO $$ BEGIN IF to_regclass('posts') IS NULL THEN PERFORM pg_advisory_xact_lock(hashtext('posts')); " + beside + " END IF; END $$"; inline != want {
		t.Errorf("the pipeline runs\n%s\nfiltered_to_postgres.sql asks for\n%s", inline, want)
	}
}

// A record that the brokers refuse would stop all that come after it.
func TestLargestRecordForKafka(t *testing.T) {
	const name, largest = "firehose_to_kafka", 1_000_000
	type object = map[string]any
	message := func(size int) object {
		return object{
			"content":  `{"data":{"id":"17","text":"` + strings.Repeat("a", size-len(`{"data":{"id":"17","text":""}}`)) + `"}}`,
			"metadata": object{"x_id": "17", "x_created_at": "2010-11-04T01:42:54.657Z", "x_source": "live"},
		}
	}
	tests, err := json.Marshal(object{"tests": []object{{
		"name":        "the largest record and one that is too long",
		"input_batch": []object{message(largest), message(largest + 1)},
		"output_batches": [][]object{{
			{"bloblang": fmt.Sprintf(`@refused == null && content().length() == %d`, largest)},
			{"bloblang": fmt.Sprintf(`@refused != null && this.reason == "is longer than 1,000,000 bytes" && this.event.length() == %d`, largest+1)},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(write(t, name+".yaml", shippedFile(t, name+".yaml")))
	if err := os.WriteFile(filepath.Join(dir, name+"_benthos_test.yaml"), tests, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := xconnect(t, dir, "test", "./..."); status != 0 || !strings.Contains(out, "succeeded") {
		t.Errorf("status %d:\n%s", status, tail(out, 1000))
	}
}
