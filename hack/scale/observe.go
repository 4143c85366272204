//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// of is a release of a project.
type of struct {
	project v1alpha1.ObjectName
	release v1alpha1.Version
}

// observer writes down when runs end and bindings are Ready. It watches as anybody may.
type observer struct {
	mu       sync.Mutex
	ended    map[of]time.Time
	ready    map[of]time.Time
	missed   map[of]int    // how many targets a run did not reach
	runs     map[of]string // their names
	progress string        // of the run that changed last
	message  string        // of the binding that changed last
	failed   error
}

// observe begins to watch runs and bindings until ctx ends.
func (w *world) observe(ctx context.Context) (*observer, error) {
	o := &observer{ended: map[of]time.Time{}, ready: map[of]time.Time{}, missed: map[of]int{}, runs: map[of]string{}}
	return o, w.watch(ctx, map[client.Object]func(any){
		&v1alpha1.DeploymentRun{}:  func(object any) { o.run(object.(*v1alpha1.DeploymentRun)) },
		&v1alpha1.ReleaseBinding{}: func(object any) { o.binding(object.(*v1alpha1.ReleaseBinding)) },
	})
}

// watch calls a function with every object of a kind that appears or changes, until ctx ends.
func (w *world) watch(ctx context.Context, each map[client.Object]func(any)) error {
	c, err := cache.New(w.config, cache.Options{Scheme: w.scheme, DefaultNamespaces: map[string]cache.Config{namespace: {}},
		DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return fmt.Errorf("preparing to watch: %w", err)
	}
	go func() { _ = c.Start(ctx) }()
	for object, call := range each {
		informer, err := c.GetInformer(ctx, object)
		if err == nil {
			_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: call, UpdateFunc: func(_, now any) { call(now) }})
		}
		if err != nil {
			return fmt.Errorf("watching %T: %w", object, err)
		}
	}
	return nil
}

func (o *observer) run(r *v1alpha1.DeploymentRun) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := of{r.Spec.Project, r.Spec.Release}
	if _, known := o.runs[key]; !known {
		o.runs[key] = r.Name
	}
	if o.runs[key] != r.Name {
		return // a later one, for targets that the first did not reach
	}
	o.progress = r.Name + " " + r.Status.Progress + " " + r.Status.CurrentStep
	if _, known := o.ended[key]; known || !r.Status.Phase.IsTerminal() {
		return
	}
	o.ended[key], o.missed[key] = time.Now(), int(r.Status.Targets.Total-r.Status.Targets.Succeeded)
	if r.Status.Phase != v1alpha1.RunSucceeded && o.failed == nil {
		o.failed = fmt.Errorf("run %s is %s: %s", r.Name, r.Status.Phase, message(r.Status.Conditions))
	}
}

func (o *observer) binding(b *v1alpha1.ReleaseBinding) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := of{b.Spec.Project, b.Spec.Release}
	o.message = b.Name + ": " + message(b.Status.Conditions)
	if _, known := o.ready[key]; known || b.Status.ObservedGeneration != b.Generation || b.Status.Release != string(b.Spec.Release) {
		return
	}
	if meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionReady) {
		o.ready[key] = time.Now()
	}
}

// haveEnded says whether the runs of a release of all projects have ended, and how far they are.
func (o *observer) haveEnded(projects int, release v1alpha1.Version) (bool, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for key := range o.ended {
		if key.release == release {
			n++
		}
	}
	return n == projects, fmt.Sprintf("%d of %d runs have ended; %s; binding %s", n, projects, o.progress, o.message), o.failed
}

// areReady says whether all bindings are Ready with a release.
func (o *observer) areReady(projects int, release v1alpha1.Version) (bool, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for key := range o.ready {
		if key.release == release {
			n++
		}
	}
	return n == projects, fmt.Sprintf("%d of %d bindings are Ready; %s", n, projects, o.message), o.failed
}

// toReady are the times from each run's end to its binding's Ready, sorted, and how many targets the runs did not reach.
// Those delay Ready, as another run has to bring the release to them.
func (o *observer) toReady(release v1alpha1.Version) (all []time.Duration, missed int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, at := range o.ready {
		if key.release == release {
			all = append(all, max(0, at.Sub(o.ended[key])))
			missed += o.missed[key]
		}
	}
	slices.Sort(all)
	return all, missed
}
