package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// MaxSize bounds a frozen process, in bytes of JSON.
const MaxSize = 512 << 10

// Version is the version of the content that Freeze writes, and the only one that Decode reads.
const Version = 1

// envelope is the content of the object.
type envelope struct {
	Version int                   `json:"version"`
	Process *v1alpha1.ProjectSpec `json:"process"`
}

// ErrUnreadable is wrapped in the error for an object whose content this operator cannot read. Trying again does not
// help.
var ErrUnreadable = errors.New("the snapshot cannot be read")

// ErrTooLarge is returned by Freeze for a process above MaxSize.
var ErrTooLarge = errors.New("the process is larger than 512 KiB: move long scripts into the package")

// Name returns the name of the object for a release and a process digest (`sha256:…`).
func Name(release, digest string) string {
	hexDigits := strings.TrimPrefix(digest, "sha256:")
	return release + "-" + hexDigits[:min(10, len(hexDigits))]
}

// Freeze returns the object, with the release as its owner; the caller creates it.
func Freeze(release *v1alpha1.Release, spec v1alpha1.ProjectSpec, digest string) (*appsv1.ControllerRevision, error) {
	frozen := *spec.DeepCopy()
	frozen.History = v1alpha1.ProjectHistory{}
	content, err := json.Marshal(envelope{Version: Version, Process: &frozen})
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

// Decode returns the process in an object. The error wraps ErrUnreadable.
func Decode(revision *appsv1.ControllerRevision) (*v1alpha1.ProjectSpec, error) {
	var e envelope
	const remedy = "delete the Release and create it again"
	if len(revision.Data.Raw) > 2*MaxSize {
		return nil, fmt.Errorf("%w: ControllerRevision %s has %d bytes; %s", ErrUnreadable, revision.Name, len(revision.Data.Raw), remedy)
	}
	err := json.Unmarshal(revision.Data.Raw, &e)
	switch {
	case err == nil && e.Version != Version:
		return nil, fmt.Errorf("%w: ControllerRevision %s has version %d, and this operator knows version %d; use the version of the operator that wrote it, or %s",
			ErrUnreadable, revision.Name, e.Version, Version, remedy)
	case err != nil:
		return nil, fmt.Errorf("%w: ControllerRevision %s: %w; %s", ErrUnreadable, revision.Name, err, remedy)
	case e.Process == nil:
		return nil, fmt.Errorf("%w: ControllerRevision %s has no process; %s", ErrUnreadable, revision.Name, remedy)
	}
	if n := len(v1alpha1.Leaves(e.Process.Steps)); n > v1alpha1.MaxLeafActions {
		return nil, fmt.Errorf("%w: ControllerRevision %s has %d scripts and packages, more than %d; %s", ErrUnreadable, revision.Name, n, v1alpha1.MaxLeafActions, remedy)
	}
	return e.Process, nil
}

// Same reports whether two objects contain the same process.
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

// Changed returns a message if the project has changed since the release was created. It is empty if it has not, if
// there is no project, and while the project is invalid, because no release can be created from it then.
func Changed(release *v1alpha1.Release, project *v1alpha1.Project) string {
	if project == nil || project.Status.ProcessDigest == "" || project.Status.ObservedGeneration != project.Generation ||
		release.Status.ProcessDigest == "" || release.Status.ProcessDigest == project.Status.ProcessDigest {
		return ""
	}
	return "the project has changed since " + string(release.Spec.Version) + " was created: create a new Release to deploy the change"
}

// NotReady returns a message that says why a release cannot be deployed, with the message of its Ready condition.
func NotReady(release *v1alpha1.Release) string {
	ready := meta.FindStatusCondition(release.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status == metav1.ConditionTrue || ready.ObservedGeneration != release.Generation {
		return "Release " + release.Name + " is not ready yet"
	}
	return "Release " + release.Name + " is not ready: " + ready.Reason + ": " + ready.Message
}

// Ready reports whether the release can be deployed: its Ready condition is True at the current generation.
func Ready(release *v1alpha1.Release) bool {
	ready := meta.FindStatusCondition(release.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == release.Generation && release.Status.Snapshot != ""
}
