package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/logs"
)

// sweeping is a manager.Runnable that deletes the logs of runs that were deleted while this replica was not running. Every
// replica does this, as each has its own disk.
type sweeping struct {
	logs   *logs.Store
	client client.Client
}

// Start deletes the logs once, and closes the log store when ctx ends, which ends the requests that follow an output. If
// deleting fails, the logs stay until the next start.
func (s sweeping) Start(ctx context.Context) error {
	if err := s.logs.Sweep(ctx, s.runs); err != nil && ctx.Err() == nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot delete the logs of deleted runs")
	}
	<-ctx.Done()
	s.logs.Close()
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (s sweeping) NeedLeaderElection() bool { return false }

func (s sweeping) runs(ctx context.Context) (sets.Set[types.UID], error) {
	var list v1alpha1.DeploymentRunList
	if err := s.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	uids := sets.Set[types.UID]{}
	for i := range list.Items {
		uids.Insert(list.Items[i].UID)
	}
	return uids, nil
}
