package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	appsv1 "k8s.io/api/apps/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// kinds returns the kinds that the operator reads from its cache.
func kinds() []client.Object {
	return []client.Object{&v1alpha1.Environment{}, &v1alpha1.TargetPolicy{}, &v1alpha1.DeploymentTarget{}, &v1alpha1.Project{},
		&v1alpha1.Release{}, &v1alpha1.ReleaseBinding{}, &v1alpha1.DeploymentRun{}, &v1alpha1.DeploymentRunSlice{}, &appsv1.ControllerRevision{}}
}

// warm starts the informers of all kinds on every replica, so that a new leader has a filled cache. A replica is ready when
// its informers have synced. The controllers start only on the leader, as their queues would fill up on other replicas.
func warm(mgr ctrl.Manager) error {
	var all informers
	for _, kind := range kinds() {
		informer, err := mgr.GetCache().GetInformer(context.Background(), kind) // starts with the manager
		if err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
		all = append(all, informer)
	}
	if err := mgr.AddReadyzCheck("informers", all.ready); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	return nil
}

var errNotSynced = errors.New("the informers have not synced yet")

type informers []cache.Informer

// ready is a readiness check: it returns nil once all informers have synced.
func (all informers) ready(*http.Request) error {
	for _, informer := range all {
		if !informer.HasSynced() {
			return errNotSynced
		}
	}
	return nil
}
