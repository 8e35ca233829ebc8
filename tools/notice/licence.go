package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// redpandaCommunity is Redpanda's licence for enterprise features. It has no
// SPDX name.
const redpandaCommunity = "Redpanda Community License"

// marks are passages that only the licence in question has, in its text or in
// the header of a file under it.
var marks = []struct{ licence, passage string }{
	{redpandaCommunity, redpandaCommunity},
	{"Apache-2.0", "Apache License, Version 2.0"},
	{"Apache-2.0", "Apache License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License, version 2.0"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"MIT", "Use of this source code is governed by an MIT-style license"},
	{"ISC", "Permission to use, copy, modify, and or distribute this software"},
	{"ISC", "Permission to use, copy, modify, and distribute this software"},
	{"BSD", "Redistribution and use in source and binary forms"},
	{"Unlicense", "free and unencumbered software released into the public domain"},
	{"CC0-1.0", "CC0 1.0 Universal"},
	{"GPL or AGPL or LGPL", "GNU GENERAL PUBLIC LICENSE"},
	{"GPL or AGPL or LGPL", "GNU AFFERO GENERAL PUBLIC LICENSE"},
	{"GPL or AGPL or LGPL", "GNU LESSER GENERAL PUBLIC LICENSE"},
}

var notProse = regexp.MustCompile(`[\s/*#]+`)

// licencesIn returns the licences that a text grants, sorted, none when it knows
// none of them.
func licencesIn(text string) []string {
	text = notProse.ReplaceAllString(text, " ")
	var found []string
	for _, m := range marks {
		if strings.Contains(text, m.passage) {
			found = append(found, m.licence)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

var legalFile = regexp.MustCompile(`(?i)^(licen[sc]es?|copying|notice|patents)([-.][-\w.]*)?$`)

// legalFiles returns the paths of a module's licences and notices: files at its
// root, and files of a directory named licenses there.
func legalFiles(dir string) ([]string, error) {
	var paths []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !legalFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() {
			paths = append(paths, path)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(path, "*"))
		if err != nil {
			return nil, err
		}
		paths = append(paths, inside...)
	}
	return paths, nil
}

// moduleLicences returns the licences named in a module's licence files.
func moduleLicences(m module) ([]string, error) {
	paths, err := legalFiles(m.Dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found = append(found, licencesIn(string(text))...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %s: no licence that this tool knows in %q", m.Path, m.Version, paths)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// packageLicences returns the licences in the headers of a package's files: in
// Connect it is the file that decides.
func packageLicences(p linkedPackage) ([]string, error) {
	var found []string
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		header, _, _ := strings.Cut(string(source), "\npackage ")
		in := licencesIn(header)
		if len(in) == 0 {
			return nil, fmt.Errorf("%s: no licence that this tool knows in its header", path)
		}
		found = append(found, in...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
