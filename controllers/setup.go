package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/mantledeploy/mantle/controllers/binding"
	"github.com/mantledeploy/mantle/controllers/environment"
	"github.com/mantledeploy/mantle/controllers/history"
	"github.com/mantledeploy/mantle/controllers/internal/addresses"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/feed"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/logs"
	"github.com/mantledeploy/mantle/controllers/internal/metrics"
	"github.com/mantledeploy/mantle/controllers/internal/notify"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/project"
	"github.com/mantledeploy/mantle/controllers/release"
	"github.com/mantledeploy/mantle/controllers/run"
	"github.com/mantledeploy/mantle/controllers/target"
)

// Permissions that belong to no single kind: the leader election lease and its events, and authentication and
// authorization of requests for metrics and logs.
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=mantle-system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=mantle-system,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Options configure the operator.
type Options struct {
	// Namespace is the operator's own namespace, which holds the identities.
	Namespace string
	// DataDir holds logs and packages.
	DataDir string
	// PackageRoot is the folder that file: URLs are confined to; if empty, file: URLs are refused.
	PackageRoot string
	// PackageAllowCIDRs are ranges from which packages may be fetched that would otherwise be refused.
	PackageAllowCIDRs []netip.Prefix
	// TargetAllowCIDRs are ranges of machines' addresses that would otherwise be refused.
	TargetAllowCIDRs []netip.Prefix
	// PackageMaxBytes is the largest size of a package; 0 means the default.
	PackageMaxBytes int64
	// APIServer are the addresses of the Kubernetes API server, which are refused for packages and machines.
	APIServer []netip.Addr
	// EngineDir has the engines that are uploaded to machines without one, named tentacle-<os>-<arch>[.exe].
	EngineDir string
	// LeaseDuration is how long a leader may fail to renew its lease; 0 means 15 s.
	LeaseDuration time.Duration
	// Fence returns an error unless this process is the leader. A nil Fence means that there is no leader election.
	Fence func() error
	// Workers is how many runs, how many targets and how many bindings are reconciled at once; 0 means fair.Many.
	Workers int
	// MaxDials and MaxFollowers limit connections that are being established and scripts that are followed; 0 means the default.
	MaxDials, MaxFollowers int
	// Logger is for the packages that connect to machines and fetch packages.
	Logger logr.Logger
	// Now is the controllers' clock; nil means time.Now.
	Now func() time.Time
}

func (o *Options) clock() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// Setup adds everything that runs to the manager.
func Setup(mgr ctrl.Manager, o Options) error {
	mgr = status.WithEvents(mgr)
	if err := warm(mgr); err != nil {
		return err
	}
	now := o.clock()
	logStore, err := logs.Open(filepath.Join(o.DataDir, "logs"), 0)
	if err != nil {
		return err
	}
	if err := mgr.AddMetricsServerExtraHandler(logs.Prefix, logStore.Handler(mgr.GetClient(), mgr.GetAPIReader())); err != nil {
		return fmt.Errorf("serving logs: %w", err)
	}
	logger := slog.New(logr.ToSlogHandler(o.Logger))
	var sessions *session.Pool
	var dispatcher *dispatch.Dispatcher
	counters := metrics.New(metrics.Load{Actions: func() dispatch.Stats { return dispatcher.Stats() }, Sessions: func() session.Stats { return sessions.Stats() }})
	reports, fetchedRuns, fetchedReleases, unreached := notify.New(), notify.New(), notify.New(), notify.New()
	cache, err := openPackages(o, counters, fetchedRuns, fetchedReleases)
	if err != nil {
		return err
	}
	identities := identity.New(mgr.GetAPIReader(), mgr.GetClient(), o.Namespace)
	if err := identities.Watch(context.Background(), mgr.GetCache()); err != nil { // starts with the manager
		return err
	}
	reach := addresses.NewResolver(addresses.Rules{Allow: o.TargetAllowCIDRs, Deny: o.APIServer}, logger)
	var targetController *target.Reconciler
	sessions = session.NewPool(session.Config{MaxDials: o.MaxDials, MaxFollowers: o.MaxFollowers, EngineDir: o.EngineDir,
		Allow: reach.Check, Resolve: reach.Resolve, Logger: logger, Unreached: unreached.Notify,
		Reached: func(name types.NamespacedName) { targetController.Reached(name) }})
	dispatcher = dispatch.New(dispatch.Config{Sessions: sessions, CompleteAfter: 2 * o.LeaseDuration, Fence: o.Fence,
		Notify: func(owner dispatch.Owner) { reports.Notify(owner.NamespacedName) }, Sent: counters.ActionSent, Logger: logger})
	targetController = target.New(mgr, sessions, identities, unreached)
	targetController.Workers, targetController.Now = o.Workers, now
	environmentController, bindingController := environment.New(mgr, identities), binding.New(mgr)
	environmentController.Now, bindingController.Now, bindingController.Workers = now, now, o.Workers

	for _, runnable := range []manager.Runnable{dispatcher, sessions, closing(cache.Close), sweeping{logStore, mgr.GetClient()},
		counters, metrics.NewObjects(mgr.GetClient())} {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("adding to the manager: %w", err)
		}
	}
	for _, controller := range []interface{ SetupWithManager(mgr ctrl.Manager) error }{
		targetController,
		environmentController,
		project.New(mgr),
		release.New(mgr, cache, fetchedReleases.Source()),
		bindingController,
		history.New(mgr),
		run.New(mgr, run.Deps{Dispatcher: dispatcher, Identities: identities, Packages: cache, Logs: logStore,
			Reports: reports.Source(), Fetched: fetchedRuns.Source(), Now: now, Workers: o.Workers, Metrics: counters}),
	} {
		if err := controller.SetupWithManager(mgr); err != nil {
			return err
		}
	}
	return nil
}

// openPackages opens the cache of packages. It enqueues the runs and releases that a fetched package belongs to.
func openPackages(o Options, counters *metrics.Metrics, runs, releases *notify.Notifier) (*packages.Cache, error) {
	return packages.Open(packages.Config{
		Dir: filepath.Join(o.DataDir, "packages"), Fetched: counters.PackageFetched,
		Feed: feed.Registry{feed.TypeURL: feed.URLs{Fetcher: feed.New(feed.Config{
			AllowCIDRs: o.PackageAllowCIDRs, DenyAddresses: o.APIServer, Root: o.PackageRoot, MaxBytes: o.PackageMaxBytes})}},
		Notify: func(owner packages.Owner) {
			if owner.Kind == release.OwnerKind {
				releases.Notify(owner.NamespacedName)
				return
			}
			runs.Notify(owner.NamespacedName)
		},
	})
}

// closing returns a Runnable that calls f when the manager stops.
func closing(f func()) manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		f()
		return nil
	})
}
