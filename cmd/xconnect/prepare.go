package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// prepare looks at the configs that a command of Benthos is about to read: it
// refuses those that would lose Posts, and makes the folders that those need
// which are about to run.
//
// A config that cannot be read is left to Benthos, which says why. Nor is
// standard input looked at: it could not be read a second time.
func prepare(c *cli.Context) error {
	for _, file := range configFiles(configsOf(c)) {
		p, err := readPipeline(c, file)
		if err != nil {
			continue
		}
		err = p.refuseEarlyAck()
		if err == nil && c.Command.Name != "lint" {
			err = p.makeStateFolders()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// configsOf are the paths of the configs that a command reads.
func configsOf(c *cli.Context) []string {
	switch c.Command.Name {
	case "lint", "streams":
		return append(c.Args().Slice(), mainConfig(c))
	case "run":
		if c.Args().Present() {
			return c.Args().Slice()
		}
		return []string{mainConfig(c)}
	case c.App.Name: // xconnect -c
		return []string{mainConfig(c)}
	}
	return nil
}
