package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const (
	connectModule = "github.com/redpanda-data/connect/v4"
	// telemetry reports the running configuration to Redpanda. Upstream's own
	// command starts it; no component does, and ours must not either.
	telemetry = connectModule + "/internal/telemetry"
)

// linkedPackage is what `go list` tells about a package in the binary.
type linkedPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Standard   bool
	Module     *module
}

type module struct {
	Path    string
	Version string
	Dir     string
	Main    bool
}

// linkedPackages lists the packages of other modules that the command links, for
// the platform of the released binary, whatever the one it runs on.
func linkedPackages(root, command string) ([]linkedPackage, error) {
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Standard,Module", command)
	list.Dir = root
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	out, err := list.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return nil, fmt.Errorf("listing what %s links: %w\n%s", command, err, exit.Stderr)
		}
		return nil, fmt.Errorf("listing what %s links: %w", command, err)
	}
	var packages []linkedPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p linkedPackage
		if err := decoder.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading go list's answer: %w", err)
		}
		if p.ImportPath == telemetry {
			return nil, fmt.Errorf("%s links %s", command, telemetry)
		}
		if !p.Standard {
			packages = append(packages, p)
		}
	}
}

// modules returns the other modules among the packages, by path.
func modules(packages []linkedPackage) []module {
	seen := map[string]module{}
	for _, p := range packages {
		if !p.Module.Main {
			seen[p.Module.Path] = *p.Module
		}
	}
	all := make([]module, 0, len(seen))
	for _, m := range seen {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// broughtInBy returns the packages of Connect that the main module imports and
// that need the package themselves or through others, without Connect's prefix.
func broughtInBy(packages []linkedPackage, importPath string) []string {
	needs := map[string]bool{importPath: true} // -deps lists what is imported first
	var by []string
	for _, p := range packages {
		if p.Module.Main || !slices.ContainsFunc(p.Imports, func(i string) bool { return needs[i] }) {
			continue
		}
		needs[p.ImportPath] = true
	}
	for _, p := range packages {
		if !p.Module.Main {
			continue
		}
		for _, i := range p.Imports {
			if name, ok := strings.CutPrefix(i, connectModule+"/public/components/"); ok && needs[i] {
				by = append(by, name)
			}
		}
	}
	slices.Sort(by)
	return slices.Compact(by)
}
