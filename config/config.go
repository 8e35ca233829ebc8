// Package config holds pipelines to copy and run, and embeds the one that
// `xconnect demo` runs.
package config

import _ "embed"

// Quickstart is the pipeline of quickstart.yaml.
//
//go:embed quickstart.yaml
var Quickstart string
