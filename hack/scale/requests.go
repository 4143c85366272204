//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// auditLog is the API server's record of what the operator asks for.
type auditLog struct {
	file   string
	offset int64
}

// event is what is read of a line of it.
type event struct {
	Stage, Verb, RequestURI string
	ObjectRef               struct{ Resource, Subresource string }
	ResponseStatus          struct{ Code int }
	RequestReceivedTimestamp,
	StageTimestamp time.Time
}

// kind is a kind of request.
type kind struct{ verb, resource string }

// The verbs that differ from those of the API. A list with a resource version is answered from the API server's memory, as
// an informer's first one; one without reads etcd.
const (
	listLive   = "list (live)"
	listCached = "list (cached)"
	watch      = "watch"
)

// asked is how often something was asked for.
type asked struct {
	count, refused int
	took           []time.Duration
}

type tally map[kind]*asked

// read counts what was added since the last call.
func (l *auditLog) read() (tally, error) {
	t := tally{}
	file, err := os.Open(l.file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil // nothing was asked for yet
	}
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.NewSectionReader(file, l.offset, 1<<40))
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	whole := content[:bytes.LastIndexByte(content, '\n')+1]
	l.offset += int64(len(whole))
	for line := range bytes.Lines(whole) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		t.add(e)
	}
	return t, nil
}

func (t tally) add(e event) {
	k := kind{verb: e.Verb, resource: strings.TrimSuffix(e.ObjectRef.Resource+"/"+e.ObjectRef.Subresource, "/")}
	switch {
	case e.Verb == watch && e.Stage != "ResponseStarted":
		return // its end, which tells nothing
	case e.Verb == "list" && strings.Contains(e.RequestURI, "resourceVersion="):
		k.verb = listCached
	case e.Verb == "list":
		k.verb = listLive
	case k.resource == "":
		k.resource, _, _ = strings.Cut(e.RequestURI, "?")
	}
	a := t[k]
	if a == nil {
		a = &asked{}
		t[k] = a
	}
	a.count++
	if e.ResponseStatus.Code >= 400 {
		a.refused++
	}
	a.took = append(a.took, e.StageTimestamp.Sub(e.RequestReceivedTimestamp))
}

// count is how many requests there were of the kinds that match.
func (t tally) count(match func(kind) bool) int {
	n := 0
	for k, a := range t {
		if match(k) {
			n += a.count
		}
	}
	return n
}

// Kinds of requests.
func noWatch(k kind) bool  { return k.verb != watch }
func noLease(k kind) bool  { return noWatch(k) && k.resource != "leases" }
func liveRuns(k kind) bool { return k.verb == listLive && k.resource == "deploymentruns" }
func liveLists(k kind) bool {
	return k.verb == listLive
}
func writes(k kind) bool {
	return noLease(k) && slices.Contains([]string{"create", "update", "patch", "delete"}, k.verb)
}

// kinds are those that were asked for, the most frequent first.
func (t tally) kinds() []kind {
	var all []kind
	for k := range t {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b kind) int {
		if n := t[b].count - t[a].count; n != 0 {
			return n
		}
		return strings.Compare(a.resource+a.verb, b.resource+b.verb)
	})
	return all
}
