package main

import (
	"os"
	"path/filepath"
	"strings"
)

// saveTexts copies the licences and notices of every linked module, the Go
// standard library apart, to dir, a directory a module.
func saveTexts(packages []linkedPackage, dir string) error {
	for _, m := range modules(packages) {
		paths, err := legalFiles(m.Dir)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, strings.ReplaceAll(m.Path, "/", "_")+"@"+m.Version)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(target, filepath.Base(path)), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
