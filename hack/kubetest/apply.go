package kubetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner is the owner of what Apply writes.
const fieldOwner = client.FieldOwner("kubetest")

// cleanupLimit bounds what is done after a test's own context has ended.
const cleanupLimit = 30 * time.Second

// cleanup returns a context for what is done after the test.
func cleanup() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// Apply applies every document of the files on the server side, in their order. Objects that name no namespace go into
// the one that is given; cluster-wide kinds need an empty one. The test fails at the first that is refused.
func (c *Cluster) Apply(t testing.TB, namespace string, files ...string) {
	t.Helper()
	cl := c.Client(t)
	for _, file := range files {
		for _, object := range Documents(t, file) {
			if object.GetNamespace() == "" {
				object.SetNamespace(namespace)
			}
			err := cl.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), fieldOwner, client.ForceOwnership)
			if err != nil {
				t.Fatalf("applying %s %s of %s: %v", object.GetKind(), object.GetName(), file, err)
			}
		}
	}
}

// Documents decodes the YAML documents of a file; empty ones are left out.
func Documents(t testing.TB, file string) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		object := &unstructured.Unstructured{}
		err := d.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("decoding %s: %v", file, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Kubectl runs kubectl as the administrator, with stdin as its input, and returns all that it printed, as a user would
// see it. The error is nil when kubectl was content.
func (c *Cluster) Kubectl(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Binary(t, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdin = bytes.NewReader([]byte(stdin))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
