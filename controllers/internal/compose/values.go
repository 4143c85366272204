package compose

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const (
	// fresh is how long a Secret or ConfigMap is used for other actions of the run after it was read.
	fresh = 5 * time.Second
	// readTimeout bounds reading one object.
	readTimeout = 30 * time.Second
	// maxValues bounds how many objects of a run are kept in memory, and maxValueBytes their total size: a Secret can have
	// 1 MiB.
	maxValues     = 512
	maxValueBytes = 8 << 20
)

// values reads the Secrets and ConfigMaps of one run from the API server. It is safe for concurrent use.
type values struct {
	reader    client.Reader
	namespace string
	now       func() time.Time
	reads     singleflight.Group

	mu    sync.Mutex
	known map[string]known
	bytes int
}

// known is the data of an object, its size, and when it was read.
type known struct {
	data  map[string]string
	bytes int
	at    time.Time
}

func newValues(reader client.Reader, namespace string, now func() time.Time) *values {
	return &values{reader: reader, namespace: namespace, now: now, known: map[string]known{}}
}

// unread is an error of the API server that says nothing about the object and can be retried.
type unread struct{ error }

func (e *unread) Unwrap() error { return e.error }

// value returns one key. An error that is not an *unread means that the object or the key does not exist, or that the
// operator may not read it.
func (v *values) value(ctx context.Context, from v1alpha1.ValueSource) (string, error) {
	kind, selector := "ConfigMap", from.ConfigMapKeyRef
	if from.SecretKeyRef != nil {
		kind, selector = "Secret", from.SecretKeyRef
	}
	if selector == nil {
		return "", errors.New("it has neither secretKeyRef nor configMapKeyRef")
	}
	data, err := v.object(ctx, kind, selector.Name)
	if err != nil {
		return "", fmt.Errorf("reading %s %s: %w", kind, selector.Name, err)
	}
	value, found := data[selector.Key]
	if !found {
		return "", fmt.Errorf("%s %s has no key %s", kind, selector.Name, selector.Key)
	}
	return value, nil
}

// object returns the data of an object. It is read once for all calls within a few seconds.
func (v *values) object(ctx context.Context, kind, name string) (map[string]string, error) {
	key := kind + "/" + name
	if data, found := v.recent(key); found {
		return data, nil
	}
	answer := v.reads.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		data, err := v.read(ctx, kind, name)
		if err == nil {
			v.keep(key, data)
		}
		return data, err
	})
	select {
	case <-ctx.Done():
		return nil, &unread{ctx.Err()}
	case r := <-answer:
		data, _ := r.Val.(map[string]string)
		return data, r.Err
	}
}

func (v *values) recent(key string) (map[string]string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, found := v.known[key]
	return k.data, found && v.now().Sub(k.at) < fresh
}

// keep stores an object, and deletes it when it is too old. An object for which there is no room is not stored.
func (v *values) keep(key string, data map[string]string) {
	k := known{data: data, at: v.now()}
	for name, value := range data {
		k.bytes += len(name) + len(value)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire(k.at)
	v.drop(key)
	if len(v.known) >= maxValues || v.bytes+k.bytes > maxValueBytes {
		return
	}
	v.known[key] = k
	v.bytes += k.bytes
	time.AfterFunc(fresh, v.expireNow) // even without further calls, because these are secrets
}

func (v *values) expireNow() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expire(v.now())
}

// expire deletes objects that are too old. The lock is held.
func (v *values) expire(now time.Time) {
	for key, k := range v.known {
		if now.Sub(k.at) >= fresh {
			v.drop(key)
		}
	}
}

func (v *values) drop(key string) {
	v.bytes -= v.known[key].bytes
	delete(v.known, key)
}

func (v *values) read(ctx context.Context, kind, name string) (map[string]string, error) {
	key := client.ObjectKey{Namespace: v.namespace, Name: name}
	if kind == "ConfigMap" {
		var config corev1.ConfigMap
		err := v.reader.Get(ctx, key, &config)
		return config.Data, asAnswer(err)
	}
	var secret corev1.Secret
	if err := v.reader.Get(ctx, key, &secret); err != nil {
		return nil, asAnswer(err)
	}
	data := make(map[string]string, len(secret.Data))
	for k, value := range secret.Data {
		data[k] = string(value)
	}
	return data, nil
}

// asAnswer converts an error that says nothing about the object to an *unread.
func asAnswer(err error) error {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return err
	}
	return &unread{err}
}
