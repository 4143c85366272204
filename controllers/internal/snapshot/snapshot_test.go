package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const digest = "sha256:0123456789abcdef"

func process(script string) v1alpha1.ProjectSpec {
	return v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "install", StepModifiers: v1alpha1.StepModifiers{
		Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: script}}}}}
}

func frozen(t *testing.T, name, script string) *appsv1.ControllerRevision {
	t.Helper()
	release := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}}
	revision, err := Freeze(release, process(script), digest)
	if err != nil {
		t.Fatal(err)
	}
	revision.UID = types.UID("uid of " + name)
	return revision
}

func TestWhatIsFrozenIsReadAgain(t *testing.T) {
	revision := frozen(t, "shop-1.0.0", "true")
	var content map[string]json.RawMessage
	if err := json.Unmarshal(revision.Data.Raw, &content); err != nil || string(content["version"]) != "1" || len(content["process"]) == 0 {
		t.Errorf("%s, %v", revision.Data.Raw, err)
	}
	got, err := Decode(revision)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(process("true"), *got); diff != "" {
		t.Error(diff)
	}
}

func TestAContentThatIsNotKnownIsToldWithTheRemedy(t *testing.T) {
	for content, want := range map[string]string{
		`{"version":2,"process":{}}`: "has version 2, and this operator knows version 1; use the version of the operator that wrote it, or delete the Release",
		`{"steps":[]}`:               "has version 0",
		`{"version":1}`:              "has no process",
		`{"version":1,"process":{"steps":[` + strings.Repeat(`{"name":"s"},`, 64) + `{"name":"s"}]}}`: "has 65 scripts and packages, more than 64",
		`[]`: "delete the Release and create it again",
	} {
		_, err := Decode(&appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "shop-1.0.0-aa"}, Data: runtime.RawExtension{Raw: []byte(content)}})
		if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "shop-1.0.0-aa") {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestAReaderDecodesOnceUntilTheObjectIsMadeAgain(t *testing.T) {
	first := frozen(t, "shop-1.0.0", "first")
	c := fake.NewClientBuilder().WithObjects(first.DeepCopy()).Build()
	r := NewReader(c)
	one, err := r.ReadNamed(t.Context(), "shop", first.Name)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := r.ReadNamed(t.Context(), "shop", first.Name); err != nil || one != two {
		t.Errorf("it was decoded twice: %v", err)
	}
	second := frozen(t, "shop-1.0.0", "second")
	second.UID = "made again"
	if err := c.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	got, err := r.ReadNamed(t.Context(), "shop", first.Name)
	if err != nil || got.Steps[0].Run.Script != "second" {
		t.Errorf("the former one is read: %v, %v", got, err)
	}
}

func TestAReaderKeepsWhatWasReadLately(t *testing.T) {
	r := NewReader(fake.NewClientBuilder().Build())
	decode := func(i int, script string) *v1alpha1.ProjectSpec {
		got, err := r.Decode(frozen(t, fmt.Sprint("r", i), script))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := decode(0, "true")
	for i := range maxKept + 20 {
		decode(i, "true")
		if decode(0, "true") != first {
			t.Fatal("what is used all the time was dropped")
		}
	}
	if len(r.kept) != maxKept || r.order.Len() != maxKept {
		t.Errorf("%d are kept", len(r.kept))
	}
	long := strings.Repeat("x", MaxSize-1000)
	for i := range 140 {
		decode(1000+i, long)
	}
	if r.bytes > maxKeptBytes {
		t.Errorf("%d bytes are kept", r.bytes)
	}
}
