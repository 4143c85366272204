package ledger

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Outputs contains the output variables of a run's steps, by target and `<step>.<name>`. It contains no more than slices
// store, so that a step reads the same values under every leader. It is safe for concurrent use.
type Outputs struct {
	mu     sync.RWMutex
	values map[string]map[string]string
	cut    map[string]bool
}

func newOutputs() *Outputs {
	return &Outputs{values: map[string]map[string]string{}, cut: map[string]bool{}}
}

// Get returns one output of a target. Names are not case-sensitive.
func (o *Outputs) Get(target, name string) (string, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if value, found := o.values[target][name]; found {
		return value, true
	}
	for other, value := range o.values[target] {
		if strings.EqualFold(other, name) {
			return value, true
		}
	}
	return "", false
}

func (o *Outputs) load(target string, values map[string]string, cut bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(values) > 0 {
		o.values[target] = maps.Clone(values)
	}
	if cut {
		o.cut[target] = true
	}
}

// of returns the outputs of a target, and whether some were dropped.
func (o *Outputs) of(target string) (values map[string]string, cut bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return maps.Clone(o.values[target]), o.cut[target]
}

// add stores as many values, by name, as there is room for.
func (o *Outputs) add(target string, values map[string]string, room int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		size := sizeOfPair(name, values[name])
		if size > room {
			o.cut[target] = true
			continue
		}
		if o.values[target] == nil {
			o.values[target] = map[string]string{}
		}
		o.values[target][name] = values[name]
		room -= size
	}
}

// size returns the size of a target's outputs in its slice, in bytes.
func (o *Outputs) size(target string) int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	n := 0
	for name, value := range o.values[target] {
		n += sizeOfPair(name, value)
	}
	return n
}

func sizeOfPair(name, value string) int { return sizeOf(name) + sizeOf(value) + len(`:,`) }

// sizeOf returns the size of a value as JSON.
func sizeOf(v any) int {
	content, err := json.Marshal(v)
	if err != nil {
		return maxSlice // plain data always has a JSON form
	}
	return len(content)
}

// AddOutputs stores the outputs of an action, if its slice has room for them: 64 KiB for all its targets. Outputs that
// are dropped are not available to later steps either, and the slice has OutputsCut.
func (l *Ledger) AddOutputs(k Key, values map[string]string) {
	if len(values) == 0 {
		return
	}
	room := l.room[l.sliceOf[k.Target]]
	for t, part := range l.sliceOf {
		if part == l.sliceOf[k.Target] {
			room -= l.Outputs.size(l.Targets[t].Name)
		}
	}
	l.Outputs.add(l.Targets[k.Target].Name, values, room)
	l.markChanged(k)
}
