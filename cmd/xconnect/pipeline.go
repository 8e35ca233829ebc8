package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"

	"github.com/xconnect-dev/xconnect/plugin"
)

// Benthos' flags that say what a config is. They may stand before a command's
// name and after it.
const (
	flagConfig    = "config"
	flagResources = "resources"
	flagSet       = "set"
)

// defaultConfigPaths are looked at in turn where no config is named.
var defaultConfigPaths = []string{"/xconnect.yaml", "/etc/xconnect/config.yaml", "/etc/xconnect.yaml"}

// pipeline is a config as `run` would read it, with its resources and with
// environment variables put in, but neither linted nor run.
type pipeline struct {
	*service.StreamBuilder
}

// readPipeline reads the config at a path, with the resources and overrides
// that the flags of c name.
func readPipeline(c *cli.Context, path string) (pipeline, error) {
	config, err := os.ReadFile(path)
	if err != nil {
		return pipeline{}, err
	}
	b := service.NewStreamBuilder()
	b.DisableLinting()
	b.SetLogger(slog.New(slog.DiscardHandler))
	b.SetHTTPMux(http.NewServeMux()) // nobody listens
	if err := b.SetYAML(string(config)); err != nil {
		return pipeline{}, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range flagValues(c, flagSet) {
		field, value, _ := strings.Cut(s, "=")
		if err := b.SetFields(field, scalar(value)); err != nil {
			return pipeline{}, fmt.Errorf("--%s %s: %w", flagSet, field, err)
		}
	}
	for _, pattern := range flagValues(c, flagResources) {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return pipeline{}, fmt.Errorf("--%s %s: %w", flagResources, pattern, err)
		}
		for _, file := range files {
			resources, err := os.ReadFile(file)
			if err == nil {
				err = b.AddResourcesYAML(string(resources))
			}
			if err != nil {
				return pipeline{}, fmt.Errorf("--%s %s: %w", flagResources, file, err)
			}
		}
	}
	return pipeline{b}, errors.Join(b.SetMetricsYAML("none: {}"), b.SetTracerYAML("none: {}"))
}

// scalar is a value of --set: JSON, which most of YAML's scalars are, or text.
func scalar(text string) (v any) {
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// input is an x_stream of a pipeline.
type input struct {
	path string // in the config, such as input.broker.inputs.0
	plugin.Checkpoint
}

// inputs are the pipeline's x_streams that keep checkpoints, at any depth, and
// buffer is the kind of its buffer.
func (p pipeline) inputs() (inputs []input, buffer string, err error) {
	err = p.WalkComponents(func(w *service.WalkedComponent) error {
		switch {
		case w.ComponentType == "buffer":
			buffer = w.Name
		case w.ComponentType == "input" && w.Name == plugin.InputName:
			checkpoint, err := checkpointOf(w)
			if err != nil {
				return err
			}
			if checkpoint.Cache != "" {
				inputs = append(inputs, input{w.Path, checkpoint})
			}
		}
		return nil
	})
	return inputs, buffer, err
}

func checkpointOf(w *service.WalkedComponent) (c plugin.Checkpoint, err error) {
	component, err := w.ConfigAny()
	if err != nil {
		return c, err
	}
	fields, _ := component.(map[string]any)
	config, err := json.Marshal(fields[plugin.InputName])
	if err != nil {
		return c, err
	}
	return plugin.CheckpointOf(config)
}

// mainConfig is the path of the config that the flags name, or of a default
// one; "" when there is none.
func mainConfig(c *cli.Context) string {
	for _, at := range c.Lineage() {
		if path := at.String(flagConfig); path != "" {
			return path
		}
	}
	i := slices.IndexFunc(defaultConfigPaths, func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
	if i < 0 {
		return ""
	}
	return defaultConfigPaths[i]
}

// flagValues are those that stand nearest to the command.
func flagValues(c *cli.Context, name string) []string {
	for _, at := range c.Lineage() {
		if values := at.StringSlice(name); len(values) > 0 {
			return values
		}
	}
	return nil
}

// configFiles finds configs as Benthos does: a path may be a file, a pattern,
// a directory, or a directory followed by "...".
func configFiles(paths []string) (files []string) {
	for _, path := range paths {
		if strings.HasSuffix(path, "...") {
			path = filepath.Clean(strings.TrimSuffix(path, "..."))
		}
		found, _ := filepath.Glob(path) // a bad pattern finds nothing
		for _, f := range found {
			// What cannot be read is Benthos' to report.
			_ = filepath.WalkDir(f, func(file string, entry fs.DirEntry, err error) error {
				if err != nil {
					return nil
				}
				named := file == f || slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(file))
				if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && named {
					files = append(files, file)
				}
				return nil
			})
		}
	}
	return files
}
