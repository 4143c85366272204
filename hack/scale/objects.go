//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// atOnce is how many objects are written at once.
const atOnce = 16

// parallel calls f with 0 to n-1, some at once, and gives the first error.
func parallel(n int, f func(i int) error) error {
	var mu sync.Mutex
	var first error
	next := 0
	var done sync.WaitGroup
	for range min(n, atOnce) {
		done.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= n || first != nil
				mu.Unlock()
				if stop {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
				}
			}
		})
	}
	done.Wait()
	return first
}

// project is the name of a project, and the role of its targets.
func project(i int) string { return fmt.Sprintf("project-%03d", i) }

// projectOf is which project a target belongs to.
func (w *world) projectOf(target int) int { return target % w.projects }

func (w *world) createTarget(ctx context.Context, i int) error {
	return w.create(ctx, &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("machine-%05d", i)},
		Spec: v1alpha1.DeploymentTargetSpec{Address: w.machines[i].Address, Thumbprint: w.machines[i].Thumbprint,
			Environments: []v1alpha1.ObjectName{environment}, Roles: []v1alpha1.Role{v1alpha1.Role(project(w.projectOf(i)))}}})
}

// createProject makes a project with as many steps as are asked for.
func (w *world) createProject(ctx context.Context, i int) error {
	p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: project(i)}}
	var window *intstr.IntOrString
	if w.failover {
		part := intstr.FromString(failoverWindow)
		window = &part
	}
	for n := range w.steps {
		p.Spec.Steps = append(p.Spec.Steps, v1alpha1.Step{Name: v1alpha1.StepName(fmt.Sprintf("step-%d", n+1)), Roles: []v1alpha1.Role{v1alpha1.Role(project(i))}, Window: window,
			StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: script}}})
	}
	return w.create(ctx, p)
}

func (w *world) createRelease(ctx context.Context, i int, version v1alpha1.Version) error {
	return w.create(ctx, &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: project(i) + "-" + string(version)},
		Spec: v1alpha1.ReleaseSpec{Project: v1alpha1.ObjectName(project(i)), Version: version}})
}

// bind makes the binding of a project, or sets it to a release.
func (w *world) bind(ctx context.Context, i int, version v1alpha1.Version) error {
	b := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: project(i)},
		Spec: v1alpha1.ReleaseBindingSpec{Project: v1alpha1.ObjectName(project(i)), Environment: environment, Release: version}}
	err := w.client.Create(ctx, b)
	if apierrors.IsAlreadyExists(err) {
		err = w.client.Patch(ctx, b, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"release":%q}}`, version)))
	}
	if err != nil {
		return fmt.Errorf("binding %s: %w", b.Name, err)
	}
	return nil
}

func (w *world) create(ctx context.Context, o client.Object) error {
	o.SetNamespace(namespace)
	if err := w.client.Create(ctx, o); err != nil {
		return fmt.Errorf("creating %s: %w", o.GetName(), err)
	}
	return nil
}

// released waits until all releases of a version are Ready.
func (w *world) released(ctx context.Context, version v1alpha1.Version) error {
	return w.wait(ctx, "the releases are Ready", patience(w.projects), func() (bool, string, error) {
		var list v1alpha1.ReleaseList
		if err := w.client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return false, "", fmt.Errorf("listing releases: %w", err)
		}
		n, last := 0, ""
		for _, r := range list.Items {
			if r.Spec.Version != version {
				continue
			}
			if r.Status.Snapshot != "" {
				n++
			} else {
				last = message(r.Status.Conditions)
			}
		}
		return n == w.projects, fmt.Sprintf("%d of %d; %s", n, w.projects, last), nil
	})
}

// message is that of the condition Ready.
func message(conditions []metav1.Condition) string {
	for _, c := range conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Reason + ": " + c.Message
		}
	}
	return "no condition"
}

// sizes are those of objects, as JSON.
type sizes struct {
	count, all, largest int
	name                string // of the largest
}

func (s *sizes) add(name string, object any) {
	content, err := json.Marshal(object)
	if err != nil {
		return // what was decoded can be encoded
	}
	s.count++
	s.all += len(content)
	if len(content) > s.largest {
		s.largest, s.name = len(content), name
	}
}

// measureSizes reads the objects of runs: the slices, and all together.
func (w *world) measureSizes(ctx context.Context) (slices, everything sizes, err error) {
	for _, list := range []client.ObjectList{&v1alpha1.DeploymentRunSliceList{}, &v1alpha1.DeploymentRunList{}, &v1alpha1.ReleaseBindingList{},
		&v1alpha1.EnvironmentList{}, &v1alpha1.ReleaseList{}, &corev1.EventList{}} {
		if err := w.client.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return slices, everything, fmt.Errorf("listing %T: %w", list, err)
		}
		if l, ok := list.(*v1alpha1.DeploymentRunSliceList); ok {
			for _, s := range l.Items {
				slices.add(s.Name, s)
			}
		}
		if err := eachItem(list, func(o client.Object) { everything.add(o.GetName(), o) }); err != nil {
			return slices, everything, err
		}
	}
	return slices, everything, nil
}
