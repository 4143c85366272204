//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const secret = "Xq7-hunter2-never-to-be-seen"

// TestASecretIsNowhere uses a value from a Secret in a step that prints it whole and in parts of a sentence, fails once,
// and gives it as an output, and then searches every byte that the product could have left.
func TestASecretIsNowhere(t *testing.T) {
	w := newWorld(t)
	w.tentacle("web-1")
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "shop-db"}, StringData: map[string]string{"password": secret}})
	w.script("1.0.0", `echo "the password is $PASSWORD"; echo "url $URL" >&2; printf '%s' "$PASSWORD" > "$TARGET_FILE"
echo "token=$PASSWORD" >> "$MANTLE_OUTPUT"; env | grep -c PASSWORD; sleep 1; exit 3`, func(p *v1alpha1.Project) {
		p.Spec.Variables = []v1alpha1.Variable{{Name: "db.password", Values: []v1alpha1.VariableValue{{
			ValueFrom: &v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: "shop-db", Key: "password"}}}}}}
		p.Spec.Steps[0].Outputs = []v1alpha1.OutputName{"token"}
		p.Spec.Steps[0].Run.Env = []v1alpha1.EnvVar{{Name: "PASSWORD", Value: "$(db.password)"},
			{Name: "URL", Value: "postgres://shop:$(db.password)@db"}, {Name: "TARGET_FILE", Value: filepath.Join(w.dir, "told-to-write")}}
	})
	arguments := sampleArguments(t)
	w.bind("1.0.0")
	run := w.ended(60 * time.Second)
	if run.Status.Phase != v1alpha1.RunFailed || !strings.Contains(run.Status.Failures[0].Message, "the password is") {
		t.Errorf("the run ended as %s: %+v", run.Status.Phase, run.Status.Failures)
	}
	told, err := os.ReadFile(filepath.Join(w.dir, "told-to-write"))
	if err != nil || string(told) != secret {
		t.Fatalf("the script did not get the value: %q, %v", told, err)
	}
	if seen := arguments(); seen != "" {
		t.Errorf("a process had it among its arguments: %s", seen)
	}
	w.searchObjects()
	w.operator.signal(15)
	for _, m := range w.tentacles {
		m.signal(15)
	}
	w.searchFiles()
}

// sampleArguments looks at the arguments of every process until the returned function is called.
func sampleArguments(t *testing.T) (stop func() string) {
	t.Helper()
	quit, seen := make(chan struct{}), ""
	var done sync.WaitGroup
	done.Go(func() {
		for {
			found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, name := range found {
				if content, err := os.ReadFile(name); err == nil && bytes.Contains(content, []byte(secret)) {
					seen = name + ": " + string(content)
				}
			}
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() string {
		close(quit)
		done.Wait()
		return seen
	}
}

// searchObjects looks into every object of the API that can be listed, but Secrets.
func (w *world) searchObjects() {
	w.t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(w.cluster.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	lists, err := d.ServerPreferredResources()
	if err != nil {
		w.t.Fatal(err)
	}
	searched := 0
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			if resource.Kind == "Secret" || !bytes.Contains([]byte(resource.Verbs.String()), []byte("list")) {
				continue
			}
			objects := &unstructured.UnstructuredList{}
			objects.SetGroupVersionKind(group.WithKind(resource.Kind + "List"))
			if err := w.client.List(w.t.Context(), objects); client.IgnoreNotFound(err) != nil {
				w.t.Logf("listing %s: %v", resource.Kind, err)
				continue
			}
			for _, o := range objects.Items {
				searched++
				if content, _ := json.Marshal(o.Object); bytes.Contains(content, []byte(secret)) {
					w.t.Errorf("%s %s holds it: %s", o.GetKind(), o.GetName(), content)
				}
			}
		}
	}
	if searched < 20 {
		w.t.Errorf("only %d objects were looked at", searched)
	}
}

// searchFiles looks into every file that a process of ours could have written, but what the step was told to write.
func (w *world) searchFiles() {
	w.t.Helper()
	searched := 0
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Base(path) == "told-to-write" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched++
		if bytes.Contains(content, []byte(secret)) {
			w.t.Errorf("%s holds it", path)
		}
		return nil
	})
	if err != nil || searched < 5 {
		w.t.Errorf("%d files, %v", searched, err)
	}
}
