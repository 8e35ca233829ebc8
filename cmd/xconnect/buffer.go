package main

import "fmt"

// refuseEarlyAck refuses a pipeline with a buffer behind an x_stream that keeps
// a checkpoint: what the buffer has acknowledged, and a crash loses, the
// checkpoint would call delivered. The component itself cannot see whether there
// is a buffer.
func (p pipeline) refuseEarlyAck() error {
	inputs, buffer, err := p.inputs()
	if err != nil || buffer == "" || buffer == "none" {
		return nil // what is wrong with the config is Benthos' to say
	}
	for _, in := range inputs {
		if !in.AllowEarlyAck {
			return fmt.Errorf("buffer: %s acknowledges events before the output has them, so the checkpoint of the x_stream at %s would call delivered what a crash can still lose: remove the buffer, or accept that with allow_early_ack: true",
				buffer, in.path)
		}
	}
	return nil
}
