// Command xconnect is a Benthos distribution that carries X's streams to any
// output. All of Benthos' commands (run, lint, list, create, test, streams)
// work as they do there and know x_stream.
//
// This package puts the binary together: which components are linked in
// (components.go) and which commands exist beside Benthos' own. What a stream
// is, and how a gap in it is closed, is not its business.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const documentationURL = "https://github.com/xconnect-dev/xconnect/tree/main/docs"

// version and date are set by the Makefile (-ldflags "-X main.version=...").
// Where they are empty, as under `go install`, buildStamps reads what the Go
// tool recorded.
var version, date string

func main() {
	if len(os.Args) == 1 {
		greet(os.Stdout)
		return
	}
	version, date := buildStamps()
	service.RunCLI(context.Background(),
		service.CLIOptSetBinaryName("xconnect"),
		service.CLIOptSetProductName("xconnect"),
		service.CLIOptSetVersion(version, date),
		service.CLIOptSetDocumentationURL(documentationURL),
		service.CLIOptSetDefaultConfigPaths(defaultConfigPaths...),
		service.CLIOptCustomRunFlags(nil, prepare),
		service.CLIOptAddCommand(demoCommand()),
		service.CLIOptAddCommand(simulateCommand()),
		service.CLIOptAddCommand(coverageCommand()),
		service.CLIOptSetMainSchemaFrom(func() *service.ConfigSchema {
			return configSchema(version, date)
		}),
	)
}

// greet answers the bare command. Benthos would start a pipeline from standard
// input to standard output, which looks to a newcomer as if it hung.
func greet(w io.Writer) {
	fmt.Fprint(w, `xconnect carries X's streams to any output and never loses a Post silently.

Three commands to try first:
  xconnect demo               breaks the connection to a simulated X on purpose and
                              counts what arrived; no account needed, under 90 s
  xconnect simulate           serves a simulated X for your own pipelines
  xconnect -c pipeline.yaml   runs a pipeline; "xconnect create -s x_stream//stdout"
                              prints one to start from

Everything else: xconnect --help
`)
}

// configSchema is Benthos' own configuration with one default changed: logs
// name the service that wrote them.
func configSchema(version, date string) *service.ConfigSchema {
	schema := service.GlobalEnvironment().FullConfigSchema(version, date)
	schema.SetFieldDefault(map[string]any{"@service": "xconnect"}, "logger", "static_fields")
	return schema
}

// buildStamps returns the version and the date of this build, "unknown" where
// the Go tool recorded none.
func buildStamps() (buildVersion, buildDate string) {
	buildVersion, buildDate = version, date
	if info, ok := debug.ReadBuildInfo(); ok {
		if buildVersion == "" {
			buildVersion = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.time" && buildDate == "" {
				buildDate = s.Value
			}
		}
	}
	if buildVersion == "" {
		buildVersion = "unknown"
	}
	if buildDate == "" {
		buildDate = "unknown"
	}
	return buildVersion, buildDate
}
