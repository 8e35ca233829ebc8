package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"
)

// memory is a store that can be slow, fail, and tear what it is given.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	sets   int

	// before, where it is set, runs before each call and can fail it.
	before func(key string) error
	// tear, where it is set, says what the nth call of Set leaves under key
	// (nil: nothing), counted from 1, and what it answers.
	tear func(n int, key string, old, value []byte) ([]byte, error)
}

func newMemory() *memory { return &memory{values: map[string][]byte{}} }

func (m *memory) wait(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.before != nil {
		return m.before(key)
	}
	return nil
}

func (m *memory) Get(ctx context.Context, key string) ([]byte, error) {
	if err := m.wait(ctx, key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[key]
	if !ok {
		return nil, fmt.Errorf("key %s: %w", key, ErrNotFound)
	}
	return bytes.Clone(value), nil
}

func (m *memory) Set(ctx context.Context, key string, value []byte) (err error) {
	if err := m.wait(ctx, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets++
	value = bytes.Clone(value)
	if m.tear != nil {
		value, err = m.tear(m.sets, key, m.values[key], value)
	}
	if value != nil {
		m.values[key] = value
	}
	return err
}

// snapshot is what the store holds now.
func (m *memory) snapshot() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	for key, value := range m.values {
		all[key] = string(value)
	}
	return all
}

// change does something to the store while others use it.
func (m *memory) change(do func(values map[string][]byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do(m.values)
}

// copied is a healthy store that holds what m holds.
func (m *memory) copied() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{values: maps.Clone(m.values)}
}

const key = "xconnect.1"

var (
	filtered = Identity{Host: "https://api.x.com", Stream: "filtered"}
	options  = Options{Identity: filtered, Interval: time.Second}

	errAway = errors.New("the store is away")
)

func open(t *testing.T, s Store) (*Keeper, string) {
	t.Helper()
	k, payload, err := Open(t.Context(), s, key, options)
	if err != nil {
		t.Fatal(err)
	}
	return k, string(payload)
}

func save(t *testing.T, k *Keeper, payload string) {
	t.Helper()
	if err := k.Save(t.Context(), []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func release(t *testing.T, k *Keeper, payload string) {
	t.Helper()
	if err := k.Release(t.Context(), []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

// write puts r into one of the two slots.
func (m *memory) write(t *testing.T, suffix string, r record) {
	t.Helper()
	value, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	m.values[key+suffix] = value
}

// stored is a record as a process that ended well leaves it.
func stored(sequence uint64, payload string) record {
	return record{
		Version: version, Sequence: sequence, Owner: "before", Released: true, IntervalMS: 1000,
		SavedAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Identity: filtered, Payload: []byte(payload),
	}
}
