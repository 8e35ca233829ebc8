package plugin

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// fourMessages is an input of one batch, whose rejections Benthos retries.
type fourMessages struct {
	once sync.Once
}

func (*fourMessages) Connect(context.Context) error { return nil }
func (*fourMessages) Close(context.Context) error   { return nil }

func (f *fourMessages) ReadBatch(context.Context) (batch service.MessageBatch, _ service.AckFunc, err error) {
	err = service.ErrEndOfInput
	f.once.Do(func() {
		for _, id := range []string{"a", "b", "c", "d"} {
			m := service.NewMessage([]byte(id))
			m.MetaSetMut(metaID, id)
			batch = append(batch, m)
		}
		err = nil
	})
	return batch, func(context.Context, error) error { return nil }, err
}

// Why x_stream has retries of its own: behind a mapping that deletes b,
// Benthos' automatic retries answer the rejection of d by sending c again, and
// d is lost. Should this test fail with a later Benthos, our own retries may
// have become unnecessary.
func TestBenthosOwnRetriesLoseAMessage(t *testing.T) {
	env := service.GlobalEnvironment().Clone()
	if err := env.RegisterBatchInput("four_messages", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Resources) (service.BatchInput, error) {
			return service.AutoRetryNacksBatched(&fourMessages{}), nil
		}); err != nil {
		t.Fatal(err)
	}
	var taken sink
	taken.refuseWith(once("d"))
	if err := env.RegisterBatchOutput("sink", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			return &taken, service.BatchPolicy{}, 1, nil
		}); err != nil {
		t.Fatal(err)
	}
	b := env.NewStreamBuilder()
	for _, err := range []error{
		b.AddInputYAML("four_messages: {}"),
		b.AddProcessorYAML(`mapping: 'root = if content() == "b" { deleted() }'`),
		b.AddOutputYAML("sink: {}"),
		b.SetLoggerYAML("level: off"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	runToEnd(t, b)
	if got := taken.ids(); got["d"] != 0 || got["c"] != 2 {
		t.Errorf("the output has %v; Benthos 4.78 loses d and sends c twice", got)
	}
}

// runToEnd runs a stream until its input ends.
func runToEnd(t *testing.T, b *service.StreamBuilder) {
	t.Helper()
	stream, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := stream.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
