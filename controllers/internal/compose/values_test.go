package compose

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// reading is a namespace with the Secrets s0, s1 and so on, which counts how often they are read.
func reading(t *testing.T, secrets int, value string) (v *values, reads *int, clock *time.Time) {
	t.Helper()
	b := fake.NewClientBuilder()
	for n := range secrets {
		b.WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("s", n)}, Data: map[string][]byte{"key": []byte(value)}})
	}
	reads, clock = new(int), new(time.Now())
	b.WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		*reads++
		return c.Get(ctx, key, o, opts...)
	}})
	return newValues(b.Build(), "shop", func() time.Time { return *clock }), reads, clock
}

func (v *values) mustGive(t *testing.T, n int) {
	t.Helper()
	from := v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: fmt.Sprint("s", n), Key: "key"}}
	if _, err := v.value(t.Context(), from); err != nil {
		t.Fatal(err)
	}
}

func TestASecretIsReadOnceAndNotKept(t *testing.T) {
	v, reads, clock := reading(t, 1, "hunter2")
	for range 3 {
		v.mustGive(t, 0)
	}
	if *reads != 1 || len(v.known) != 1 {
		t.Errorf("it was read %d times, %d are kept", *reads, len(v.known))
	}
	*clock = clock.Add(fresh)
	v.expireNow()
	if len(v.known) != 0 || v.bytes != 0 {
		t.Errorf("%d are kept, with %d bytes, though they are too old to serve", len(v.known), v.bytes)
	}
	v.mustGive(t, 0)
	if *reads != 2 {
		t.Errorf("it was read %d times", *reads)
	}
}

func TestSecretsGoThoughNobodyAsksAnyMore(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as a value is fresh")
	}
	t.Parallel()
	v, _, _ := reading(t, 1, "hunter2")
	v.now = time.Now
	v.mustGive(t, 0)
	kept := func() int {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(v.known)
	}
	if kept() != 1 {
		t.Error("it is not kept")
	}
	for deadline := time.Now().Add(2 * fresh); kept() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is kept still")
		}
	}
}

func TestWhatIsKeptOfARunsValuesIsBounded(t *testing.T) {
	const secrets = 2 * maxValueBytes / (900 << 10)
	v, _, clock := reading(t, secrets, strings.Repeat("x", 900<<10))
	for n := range secrets {
		v.mustGive(t, n)
	}
	if v.bytes > maxValueBytes || len(v.known) < 8 {
		t.Errorf("%d are kept, with %d bytes", len(v.known), v.bytes)
	}
	*clock = clock.Add(fresh)
	for n := range secrets {
		v.keep(fmt.Sprint("small", n), map[string]string{"key": "x"})
	}
	if len(v.known) != secrets || v.bytes != secrets*len("keyx") {
		t.Errorf("%d are kept, with %d bytes", len(v.known), v.bytes)
	}
	for n := range maxValues {
		v.keep(fmt.Sprint("many", n), nil)
	}
	if len(v.known) != maxValues {
		t.Errorf("%d are kept", len(v.known))
	}
}
