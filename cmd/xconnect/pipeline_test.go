package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	// The components that the pipelines below are made of.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
)

// inside writes files into a directory and makes it the working directory.
func inside(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// command runs do as an xconnect command with Benthos' flags, which may stand
// before and after its name.
func command(t *testing.T, do cli.ActionFunc, args ...string) error {
	t.Helper()
	flags := func() []cli.Flag {
		return []cli.Flag{
			&cli.StringFlag{Name: flagConfig, Aliases: []string{"c"}},
			&cli.StringSliceFlag{Name: flagResources, Aliases: []string{"r"}},
			&cli.StringSliceFlag{Name: flagSet, Aliases: []string{"s"}},
		}
	}
	app := &cli.App{Name: "xconnect", Flags: flags(), Action: do}
	for _, name := range []string{"run", "lint", "streams", "echo"} {
		app.Commands = append(app.Commands, &cli.Command{Name: name, Flags: flags(), Action: do})
	}
	return app.Run(append([]string{"xconnect"}, args...))
}

func TestPipelineFindsInputsAtAnyDepth(t *testing.T) {
	t.Setenv("KEY", "mine")
	inside(t, map[string]string{"p.yaml": `
input:
  broker:
    inputs:
      - x_stream: {bearer_token: "${UNSET}", checkpoint_cache: state, checkpoint_key: "${KEY}"}
      - sequence: {inputs: [{x_stream: {stream: sample10, checkpoint_cache: state}}]}
      - x_stream: {bearer_token: a}
buffer: {memory: {}}
`, "r.yaml": `
input_resources: [{label: more, x_stream: {checkpoint_cache: state, checkpoint_key: resource}}]
`})
	err := command(t, func(c *cli.Context) error {
		p, err := readPipeline(c, "p.yaml")
		if err != nil {
			return err
		}
		inputs, buffer, err := p.inputs()
		if err != nil {
			return err
		}
		var keys []string
		for _, in := range inputs {
			keys = append(keys, in.Keys...)
		}
		if want := []string{"mine.1", "other.1", "other.2", "resource.1"}; buffer != "memory" || !slices.Equal(keys, want) {
			t.Errorf("buffer %s, keys %v, want %v", buffer, keys, want)
		}
		return nil
	}, "-r", "r.yaml", "run", "--set", "input.broker.inputs.1.sequence.inputs.0.x_stream.checkpoint_key=other")
	if err != nil {
		t.Error(err)
	}
}

func TestRefuseEarlyAck(t *testing.T) {
	const kept, buffered = "input: {x_stream: {checkpoint_cache: state}}\n", "buffer: {memory: {}}\n"
	inside(t, map[string]string{
		"bad.yaml":      kept + buffered,
		"plain.yaml":    kept,
		"none.yaml":     kept + "buffer: {none: {}}\n",
		"allowed.yaml":  "input: {x_stream: {checkpoint_cache: state, allow_early_ack: true}}\n" + buffered,
		"unkept.yaml":   "input: {x_stream: {bearer_token: a}}\n" + buffered,
		"broken.yaml":   "input: {x_stream: [",
		"resource.yaml": "input: {resource: kept}\n" + buffered,
		"r.yaml":        "input_resources: [{label: kept, x_stream: {checkpoint_cache: state}}]\n",
		"deep/in/b.yml": kept + buffered,
		"deep/note.txt": kept + buffered,
	})
	for _, c := range []struct {
		args    string
		refused string // file; "": accepted
	}{
		{"-c bad.yaml", "bad.yaml"},
		{"run bad.yaml", "bad.yaml"},
		{"-c bad.yaml run", "bad.yaml"},
		{"run -c bad.yaml", "bad.yaml"},
		{"lint bad.yaml", "bad.yaml"},
		{"lint plain.yaml none.yaml bad.yaml", "bad.yaml"},
		{"lint b*.yaml", "bad.yaml"},
		{"lint deep/...", "deep/in/b.yml"},
		{"streams deep", "deep/in/b.yml"},
		{"streams plain.yaml bad.yaml", "bad.yaml"},
		{"-r r.yaml -c resource.yaml", "resource.yaml"},
		{"run -s buffer.memory.limit=5 bad.yaml", "bad.yaml"},

		{"-c plain.yaml", ""},
		{"run none.yaml", ""},
		{"run allowed.yaml", ""},
		{"lint unkept.yaml", ""},
		{"lint broken.yaml missing.yaml [", ""}, // Benthos says what is wrong
		{"lint plain.yaml", ""},                 // and not the directory
		{"lint", ""},
		{"run -s input.x_stream.allow_early_ack=true bad.yaml", ""},
		{"echo bad.yaml", ""}, // only printed
	} {
		err := command(t, prepare, strings.Fields(c.args)...)
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.args, err)
		case c.refused != "" && (err == nil || !strings.HasPrefix(err.Error(), c.refused+": buffer: memory") || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, want %s refused on one line", c.args, err, c.refused)
		}
	}
}

func TestMakeStateFolders(t *testing.T) {
	const kept = "input: {x_stream: {checkpoint_cache: state}}\n"
	sqlite := func(dsn string) string {
		return kept + "cache_resources: [{label: state, sql: {driver: sqlite, dsn: '" + dsn + "', table: a, key_column: b, value_column: c}}]\n"
	}
	t.Setenv("FOLDER", "from/variable")
	inside(t, map[string]string{
		"relative.yaml": sqlite("file:./a/b/c.db?_pragma=busy_timeout(1)"),
		"variable.yaml": sqlite("file:${FOLDER:./state}/c.db"),
		"default.yaml":  sqlite("file:${NO_FOLDER:./state}/c.db"),
		"escaped.yaml":  sqlite("file:with%20space/c.db"),
		"bare.yaml":     sqlite("plain/c.db"),
		"here.yaml":     sqlite("file:c.db"),
		"memory.yaml":   sqlite(":memory:"),
		"files.yaml":    kept + "cache_resources: [{label: state, file: {directory: in/files}}]\n",
		"other.yaml":    kept + "cache_resources: [{label: else, file: {directory: no/checkpoint}}, {label: state, memory: {}}]\n",
		"linted.yaml":   kept + "cache_resources: [{label: state, file: {directory: linted}}]\n",
		"blocked.yaml":  kept + "cache_resources: [{label: state, file: {directory: here.yaml/state}}]\n",
	})
	for _, c := range []struct{ args, folder string }{
		{"-c relative.yaml", "a/b"},
		{"run variable.yaml", "from/variable"},
		{"run default.yaml", "state"},
		{"streams escaped.yaml", "with space"},
		{"-c bare.yaml", "plain"},
		{"-c files.yaml", "in/files"},
		{"-c here.yaml", ""},
		{"-c memory.yaml", ""},
		{"-c other.yaml", ""},
		{"lint linted.yaml", ""},
	} {
		before := folders(t)
		if err := command(t, prepare, strings.Fields(c.args)...); err != nil {
			t.Errorf("%s: %v", c.args, err)
		}
		made := slices.DeleteFunc(folders(t), func(folder string) bool { return slices.Contains(before, folder) })
		if c.folder == "" && len(made) > 0 || c.folder != "" && !slices.Contains(made, c.folder) {
			t.Errorf("%s made %q, want %q", c.args, made, c.folder)
		}
	}
	if err := command(t, prepare, "-c", "blocked.yaml"); err == nil || !strings.HasPrefix(err.Error(), "blocked.yaml: making the folder of the checkpoint: ") {
		t.Errorf("a folder that cannot be made: %v", err)
	}
}

// folders are those below the working directory.
func folders(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
