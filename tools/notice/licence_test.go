package main

import (
	"slices"
	"testing"
)

func TestLicencesIn(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"enterprise header", "// Copyright 2024 Redpanda Data, Inc.\n//\n// Licensed as a Redpanda Enterprise file under the Redpanda Community\n// License (the \"License\")", []string{redpandaCommunity}},
		{"Apache header", "// Licensed under the Apache License, Version 2.0 (the \"License\");", []string{"Apache-2.0"}},
		{"Apache text", "                                 Apache License\n                           Version 2.0, January 2004", []string{"Apache-2.0"}},
		{"MPL as Hashicorp prints it", "Mozilla Public License, version 2.0\n\n1. Definitions", []string{"MPL-2.0"}},
		{"two in one file", "Apache License\nVersion 2.0\n---\nPermission is hereby granted, free of charge,\nto any person obtaining a copy", []string{"Apache-2.0", "MIT"}},
		{"unknown", "All rights reserved.", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := licencesIn(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A component needs a package through any number of others; the standard
// library's and our own packages are on no such way.
func TestBroughtInBy(t *testing.T) {
	connect := &module{Path: connectModule}
	packages := []linkedPackage{ // imported packages come first, as from go list
		{ImportPath: connectModule + "/internal/license", Module: connect},
		{ImportPath: connectModule + "/internal/impl/mysql", Module: connect, Imports: []string{connectModule + "/internal/license"}},
		{ImportPath: connectModule + "/public/components/aws", Module: connect, Imports: []string{connectModule + "/internal/impl/mysql"}},
		{ImportPath: connectModule + "/public/components/redis", Module: connect, Imports: []string{"strings"}},
		{ImportPath: "example.com/main", Module: &module{Main: true}, Imports: []string{connectModule + "/public/components/redis", connectModule + "/public/components/aws"}},
	}
	if got, want := broughtInBy(packages, connectModule+"/internal/license"), []string{"aws"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
