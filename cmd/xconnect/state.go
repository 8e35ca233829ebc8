package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// makeStateFolders makes the folders in which the pipeline keeps its
// checkpoints, where they are missing. Neither of the caches that keep them in
// files does that: the first start of a config that somebody copied would fail.
func (p pipeline) makeStateFolders() error {
	folders, err := p.stateFolders()
	if err != nil {
		return nil // what is wrong with the config is Benthos' to say
	}
	for _, folder := range folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making the folder of the checkpoint: %w", err)
		}
	}
	return nil
}

// stateFolders are the folders of the caches in which x_streams of the pipeline
// keep their checkpoints.
func (p pipeline) stateFolders() (folders []string, err error) {
	inputs, _, err := p.inputs()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, in := range inputs {
		used[in.Cache] = true
	}
	err = p.WalkComponents(func(w *service.WalkedComponent) error {
		if w.ComponentType != "cache" || !used[w.Label] {
			return nil
		}
		config, err := w.ConfigAny()
		if err != nil {
			return err
		}
		if folder := stateFolder(w.Name, config); folder != "" {
			folders = append(folders, folder)
		}
		return nil
	})
	return folders, err
}

// stateFolder is the folder of a cache that keeps its items in files, "" of any
// other.
func stateFolder(kind string, config any) string {
	component, _ := config.(map[string]any)
	fields, _ := component[kind].(map[string]any)
	switch kind {
	case "file":
		directory, _ := fields["directory"].(string)
		return directory
	case "sql":
		dsn, _ := fields["dsn"].(string)
		if fields["driver"] == "sqlite" {
			return sqliteFolder(dsn)
		}
	}
	return ""
}

// sqliteFolder is the folder of the database that a DSN names, "" where that is
// the working directory or no file.
func sqliteFolder(dsn string) string {
	path, _, _ := strings.Cut(dsn, "?")
	if rest, ok := strings.CutPrefix(path, "file:"); ok {
		// SQLite takes file:path, file:/path and file:///path, with escapes.
		var err error
		if path, err = url.PathUnescape(strings.TrimPrefix(rest, "//")); err != nil {
			return ""
		}
	}
	if folder := filepath.Dir(path); path != "" && folder != "." {
		return folder
	}
	return ""
}
