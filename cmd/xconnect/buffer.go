package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// refuseEarlyAck refuses the configs that a command of Benthos is about to read
// when one of them has a buffer behind an x_stream that keeps a checkpoint:
// what the buffer has acknowledged, and a crash loses, the checkpoint would
// call delivered. The component itself cannot see whether there is a buffer.
//
// A config that cannot be read is left to Benthos, which says why. Nor is
// standard input looked at: it could not be read a second time.
func refuseEarlyAck(c *cli.Context) error {
	for _, file := range configFiles(configsOf(c)) {
		p, err := readPipeline(c, file)
		if err != nil {
			continue
		}
		inputs, buffer, err := p.inputs()
		if err != nil || buffer == "" || buffer == "none" {
			continue
		}
		for _, in := range inputs {
			if !in.AllowEarlyAck {
				return fmt.Errorf("%s: buffer: %s acknowledges events before the output has them, so the checkpoint of the x_stream at %s would call delivered what a crash can still lose: remove the buffer, or accept that with allow_early_ack: true",
					file, buffer, in.path)
			}
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
