package plugin

import (
	"context"
	"log/slog"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// newLogger makes a standard logger that writes to Benthos' own, for the
// packages that know nothing of Benthos.
func newLogger(l *service.Logger) *slog.Logger { return slog.New(logHandler{l}) }

type logHandler struct {
	logger *service.Logger
}

// Enabled leaves the level to Benthos.
func (logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	l := h.logger
	r.Attrs(func(a slog.Attr) bool {
		l = l.With(a.Key, a.Value.Any())
		return true
	})
	switch {
	case r.Level >= slog.LevelError:
		l.Error(r.Message)
	case r.Level >= slog.LevelWarn:
		l.Warn(r.Message)
	case r.Level >= slog.LevelInfo:
		l.Info(r.Message)
	default:
		l.Debug(r.Message)
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	l := h.logger
	for _, a := range attrs {
		l = l.With(a.Key, a.Value.Any())
	}
	return logHandler{l}
}

// WithGroup leaves names as they are: Benthos' logger has no groups.
func (h logHandler) WithGroup(string) slog.Handler { return h }
