package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// inventory is the generated part of NOTICE.
func inventory(packages []linkedPackage) (string, error) {
	var out strings.Builder
	if err := writeConnect(&out, packages); err != nil {
		return "", err
	}
	if err := writeModules(&out, packages); err != nil {
		return "", err
	}
	return out.String(), nil
}

// writeConnect lists Connect's packages that are not under Apache-2.0 alone, and
// counts the ones that are.
func writeConnect(out *strings.Builder, packages []linkedPackage) error {
	var apache int
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\nPackages of Redpanda Connect, all but those under Apache-2.0 alone:\n")
	fmt.Fprint(table, "  package\tbrought in by\tlicences of its files\n")
	for _, p := range packages {
		if p.Module.Path != connectModule {
			continue
		}
		licences, err := packageLicences(p)
		if err != nil {
			return err
		}
		if slices.Equal(licences, []string{"Apache-2.0"}) {
			apache++
			continue
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", strings.TrimPrefix(p.ImportPath, connectModule+"/"),
			strings.Join(broughtInBy(packages, p.ImportPath), ", "), strings.Join(licences, ", "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "Under Apache-2.0 alone: %d packages.\n", apache)
	return nil
}

// writeModules lists the other modules by licence.
func writeModules(out *strings.Builder, packages []linkedPackage) error {
	byLicence := map[string][]string{}
	for _, m := range modules(packages) {
		if m.Path == connectModule {
			continue
		}
		licences, err := moduleLicences(m)
		if err != nil {
			return err
		}
		key := strings.Join(licences, ", ")
		byLicence[key] = append(byLicence[key], m.Path+" "+m.Version)
	}
	for _, licence := range slices.Sorted(maps.Keys(byLicence)) {
		fmt.Fprintf(out, "\n%s:\n", licence)
		for _, m := range byLicence[licence] {
			fmt.Fprintf(out, "  %s\n", m)
		}
	}
	return nil
}
