package release

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// verdict is the result of judge and carryOut.
type verdict struct {
	// Ready or Stalled; if neither, the release is Reconciling.
	Ready, Stalled  bool
	Reason, Message string
	// Freeze is the process to freeze now.
	Freeze *v1alpha1.ProjectSpec
	Digest string
	// Process is the frozen process, and Snapshot the name of its ControllerRevision.
	Process  *v1alpha1.ProjectSpec
	Snapshot string
	// Resolved packages so far.
	Packages []v1alpha1.ResolvedPackage
	// Again is when to reconcile again without an event; 0 means never.
	Again time.Duration
}

// judge decides without I/O whether the process can be frozen, and whether the release names its packages.
func judge(f facts) verdict {
	if f.Frozen != nil {
		digest := f.Release.Status.ProcessDigest
		if digest == "" { // the status was not written yet, or was lost
			digest = scope.Digest(*f.Frozen)
		}
		return packagesOf(f, verdict{Process: f.Frozen, Snapshot: f.FrozenName, Digest: digest})
	}
	if f.Unreadable != "" {
		return verdict{Stalled: true, Reason: v1alpha1.ReasonSnapshotUnreadable, Message: f.Unreadable}
	}
	name := string(f.Release.Spec.Project)
	if f.Release.Status.Snapshot != "" && f.Project != nil && f.Project.Status.ProcessDigest != f.Release.Status.ProcessDigest {
		return verdict{Stalled: true, Reason: v1alpha1.ReasonProcessDigestMismatch, Message: "the snapshot " + f.Release.Status.Snapshot +
			" was deleted, and the project's process has changed since; delete this Release and create it again"}
	}
	switch {
	case f.Project == nil:
		return f.wait(v1alpha1.ReasonProjectNotFound, "spec.project: there is no Project "+name+" in this namespace; create it")
	case !ready(f.Project):
		return verdict{Reason: v1alpha1.ReasonProjectNotReady, Message: "Project " + name + " is not Ready: " + why(f.Project)}
	case f.Release.Spec.ProcessDigest != "" && f.Release.Spec.ProcessDigest != f.Project.Status.ProcessDigest:
		return f.wait(v1alpha1.ReasonProcessDigestMismatch, fmt.Sprintf("spec.processDigest: the process of Project %s has the digest %s; change the project to the requested process, or create a release with this digest",
			name, f.Project.Status.ProcessDigest))
	}
	return packagesOf(f, verdict{Freeze: &f.Project.Spec, Digest: f.Project.Status.ProcessDigest})
}

// wait returns the verdict for something that is missing but may follow soon, such as an object from the same commit.
func (f facts) wait(reason, message string) verdict {
	stalled, again := status.Absence(f.Release.Status.Conditions, reason, f.Release.Generation, f.Now)
	return verdict{Stalled: stalled, Reason: reason, Message: message, Again: again}
}

func ready(p *v1alpha1.Project) bool {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	return p.Status.ObservedGeneration == p.Generation && c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == p.Generation
}

func why(p *v1alpha1.Project) string {
	if p.Status.ObservedGeneration != p.Generation {
		return "its spec has just changed"
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Message
	}
	return "it has not been validated yet"
}

// packagesOf returns v, or another verdict if the packages of the process differ from those that the release names.
func packagesOf(f facts, v verdict) verdict {
	process := v.Process
	if process == nil {
		process = v.Freeze
	}
	known, named := map[v1alpha1.StepName]bool{}, map[v1alpha1.StepName]bool{}
	for _, p := range process.Packages {
		known[p.Name] = true
	}
	for i, p := range f.Release.Spec.Packages {
		if !known[p.Name] {
			return v.missing("spec.packages[%d].name: the project has no package %s", i, p.Name)
		}
		named[p.Name] = true
	}
	for _, p := range process.Packages {
		if !named[p.Name] {
			return v.missing("spec.packages: the project's package %s is missing; add it with its version", p.Name)
		}
	}
	return v
}

func (v verdict) missing(format string, args ...any) verdict {
	return verdict{Stalled: true, Reason: v1alpha1.ReasonPackageMissing, Message: fmt.Sprintf(format, args...), Snapshot: v.Snapshot, Digest: v.Digest}
}
