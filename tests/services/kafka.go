package services

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	kafkaVariable = "XCONNECT_TEST_KAFKA"
	kafkaVersion  = "4.1.0"
)

// Kafka is one broker, which is its own controller and makes topics as they are
// written to.
type Kafka struct {
	*Server
	Brokers string // host:port
	java    string
	classes string // -cp
}

// OpenKafka starts a Kafka, or takes the one that is named.
func OpenKafka(ctx context.Context) (*Kafka, error) {
	if brokers := os.Getenv(kafkaVariable); brokers != "" {
		k := &Kafka{Server: &Server{name: "Kafka", variable: kafkaVariable}, Brokers: brokers}
		k.healthy = k.metadata
		return k, k.open(ctx)
	}
	jdk, err := java()
	if err != nil {
		return nil, missing("Kafka", kafkaVariable, "brokers", err)
	}
	jars, err := cached(ctx, "kafka-"+kafkaVersion, installKafka)
	if err != nil {
		return nil, missing("Kafka", kafkaVariable, "brokers", err)
	}
	s, err := newServer("Kafka", nil)
	if err != nil {
		return nil, err
	}
	k := &Kafka{Server: s, Brokers: s.address, java: filepath.Join(jdk, "bin", "java"), classes: filepath.Join(jars, "*")}
	properties := filepath.Join(s.dir, "server.properties")
	if err := k.format(ctx, properties); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.healthy = k.metadata
	s.command = func() *exec.Cmd {
		return exec.Command(k.java, "-Xmx512m", "-cp", k.classes, "kafka.Kafka", properties)
	}
	return k, s.open(ctx)
}

// Env has the brokers for the environment of a pipeline.
func (k *Kafka) Env() []string { return []string{"KAFKA_BROKERS=" + k.Brokers} }

// format prepares a folder for the broker.
func (k *Kafka) format(ctx context.Context, properties string) error {
	controller, err := freeAddress()
	if err != nil {
		return err
	}
	settings := strings.NewReplacer("BROKER", k.address, "CONTROLLER", controller, "DIR", filepath.Join(k.dir, "data")).Replace(`
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@CONTROLLER
controller.listener.names=QUORUM
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,QUORUM:PLAINTEXT
listeners=PLAINTEXT://BROKER,QUORUM://CONTROLLER
advertised.listeners=PLAINTEXT://BROKER
log.dirs=DIR
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
# A broker that comes back after a crash waits until its former self has timed out.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
`)
	if err := os.WriteFile(properties, []byte(settings), 0o644); err != nil {
		return err
	}
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x7f // base64 must not begin with "-", which is an option
	return k.run(ctx, k.java, "-cp", k.classes, "kafka.tools.StorageTool", "format",
		"--cluster-id", base64.RawURLEncoding.EncodeToString(id), "--config", properties)
}

// metadata asks a broker which ones there are: it answers before it is one of them.
//
// https://kafka.apache.org/protocol#The_Messages_Metadata, version 1
func (k *Kafka) metadata(ctx context.Context) error {
	var d net.Dialer
	first, _, _ := strings.Cut(k.Brokers, ",")
	c, err := d.DialContext(ctx, "tcp", first)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	request := []byte{
		0, 0, 0, 14, // size
		0, 3, 0, 1, // Metadata, version 1
		0, 0, 0, 1, // correlation
		0xff, 0xff, // no client's name
		0, 0, 0, 0, // no topics
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	var answer struct{ Size, Correlation, Brokers int32 }
	if err := binary.Read(c, binary.BigEndian, &answer); err != nil {
		return fmt.Errorf("asking for the brokers: %w", err)
	}
	if answer.Brokers == 0 {
		return errors.New("there is no broker yet")
	}
	return nil
}

func installKafka(ctx context.Context, dir string) error {
	return maven(ctx, dir, true,
		artifact{"org.apache.kafka", "kafka_2.13", kafkaVersion, "jar"},
		artifact{"org.apache.kafka", "kafka-tools", kafkaVersion, "jar"},
		artifact{"org.slf4j", "slf4j-simple", "1.7.36", "jar"},
	)
}
