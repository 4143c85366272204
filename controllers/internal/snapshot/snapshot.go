package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// MaxSize is how large a frozen process may be, in bytes of JSON.
const MaxSize = 512 << 10

// ErrTooLarge is returned by Freeze for a process above MaxSize.
var ErrTooLarge = errors.New("the process is larger than 512 KiB: move long scripts into the package")

// Name is the name of the object for a release and a process digest (`sha256:…`).
func Name(release, digest string) string {
	hexDigits := strings.TrimPrefix(digest, "sha256:")
	return release + "-" + hexDigits[:min(10, len(hexDigits))]
}

// Freeze builds the object; the caller creates it. It is owned by the release.
func Freeze(release *v1alpha1.Release, spec v1alpha1.ProjectSpec, digest string) (*appsv1.ControllerRevision, error) {
	frozen := *spec.DeepCopy()
	frozen.History = v1alpha1.ProjectHistory{}
	content, err := json.Marshal(frozen)
	if err != nil {
		return nil, fmt.Errorf("encoding the process: %w", err)
	}
	if len(content) > MaxSize {
		return nil, ErrTooLarge
	}
	owner := metav1.NewControllerRef(release, v1alpha1.GroupVersion.WithKind("Release"))
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: release.Namespace, Name: Name(release.Name, digest),
			Labels:          map[string]string{v1alpha1.LabelReleaseUID: string(release.UID)},
			OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Data:     runtime.RawExtension{Raw: content},
		Revision: 1,
	}, nil
}

// Decode reads the process out of the object.
func Decode(revision *appsv1.ControllerRevision) (*v1alpha1.ProjectSpec, error) {
	var spec v1alpha1.ProjectSpec
	if err := json.Unmarshal(revision.Data.Raw, &spec); err != nil {
		return nil, fmt.Errorf("decoding ControllerRevision %s: %w", revision.Name, err)
	}
	return &spec, nil
}

// Same tells whether two objects hold the same process.
func Same(a, b *appsv1.ControllerRevision) (bool, error) {
	left, err := Decode(a)
	if err != nil {
		return false, err
	}
	right, err := Decode(b)
	if err != nil {
		return false, err
	}
	return equality.Semantic.DeepEqual(left, right), nil
}

// Read finds the process that a release froze.
func Read(ctx context.Context, c client.Reader, release *v1alpha1.Release) (*v1alpha1.ProjectSpec, error) {
	return ReadNamed(ctx, c, release.Namespace, release.Status.Snapshot)
}

// ReadNamed finds a frozen process by the name of its object.
func ReadNamed(ctx context.Context, c client.Reader, namespace, name string) (*v1alpha1.ProjectSpec, error) {
	var revision appsv1.ControllerRevision
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &revision); err != nil {
		return nil, fmt.Errorf("reading ControllerRevision %s: %w", name, err)
	}
	return Decode(&revision)
}

// Ready tells whether the release can be deployed: judged at its current generation and Ready.
func Ready(release *v1alpha1.Release) bool {
	ready := meta.FindStatusCondition(release.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == release.Generation && release.Status.Snapshot != ""
}
