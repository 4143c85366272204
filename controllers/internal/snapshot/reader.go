package snapshot

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The limits of a Reader's memory.
const (
	maxKept      = 256
	maxKeptBytes = 64 << 20 // of JSON
)

// Reader reads frozen processes and caches the recently used ones. What it returns is shared and must not be changed.
// It is safe for concurrent use.
type Reader struct {
	client client.Reader

	mu    sync.Mutex
	kept  map[key]*list.Element
	order *list.List // of *decoded, the most recently used first
	bytes int
}

// key identifies a snapshot, whose content never changes: a recreated snapshot has another UID.
type key struct {
	types.NamespacedName
	uid types.UID
}

type decoded struct {
	key     key
	process *v1alpha1.ProjectSpec
	bytes   int
}

// NewReader returns a Reader that reads through c: the manager's cached client, or one that reads from the API server.
func NewReader(c client.Reader) *Reader {
	return &Reader{client: c, kept: map[key]*list.Element{}, order: list.New()}
}

// Read returns the process that a release froze.
func (r *Reader) Read(ctx context.Context, release *v1alpha1.Release) (*v1alpha1.ProjectSpec, error) {
	return r.ReadNamed(ctx, release.Namespace, release.Status.Snapshot)
}

// ReadNamed returns a frozen process by the name of its object.
func (r *Reader) ReadNamed(ctx context.Context, namespace, name string) (*v1alpha1.ProjectSpec, error) {
	var revision appsv1.ControllerRevision
	if err := r.client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &revision); err != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s: %w", name, err)
	}
	return r.Decode(&revision)
}

// Read returns the process that a release froze, without a cache.
func Read(ctx context.Context, c client.Reader, release *v1alpha1.Release) (*v1alpha1.ProjectSpec, error) {
	return NewReader(c).Read(ctx, release)
}

// ReadNamed returns a frozen process by the name of its object, without a cache.
func ReadNamed(ctx context.Context, c client.Reader, namespace, name string) (*v1alpha1.ProjectSpec, error) {
	return NewReader(c).ReadNamed(ctx, namespace, name)
}

// Decode returns the process in an object.
func (r *Reader) Decode(revision *appsv1.ControllerRevision) (*v1alpha1.ProjectSpec, error) {
	k := key{types.NamespacedName{Namespace: revision.Namespace, Name: revision.Name}, revision.UID}
	if process := r.recall(k); process != nil {
		return process, nil
	}
	process, err := Decode(revision)
	if err == nil && revision.UID != "" {
		r.keep(&decoded{key: k, process: process, bytes: len(revision.Data.Raw)})
	}
	return process, err
}

func (r *Reader) recall(k key) *v1alpha1.ProjectSpec {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.kept[k]
	if e == nil {
		return nil
	}
	r.order.MoveToFront(e)
	return e.Value.(*decoded).process
}

func (r *Reader) keep(d *decoded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept[d.key] != nil {
		return
	}
	r.kept[d.key] = r.order.PushFront(d)
	r.bytes += d.bytes
	for r.order.Len() > maxKept || r.bytes > maxKeptBytes {
		oldest := r.order.Remove(r.order.Back()).(*decoded)
		delete(r.kept, oldest.key)
		r.bytes -= oldest.bytes
	}
}
