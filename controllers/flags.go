package controllers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/lease"
	"github.com/mantledeploy/mantle/controllers/internal/turns"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=mantle-system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// shutdown is the time that the operator has to stop. Scripts on machines continue, and the next leader follows them.
const shutdown = 8 * time.Second

// minLease is the shortest lease. Its record has whole seconds, and a third of it must be enough to renew it.
const minLease = 3 * time.Second

// Flags are the operator's command line.
type Flags struct {
	Options
	namespaces                 string
	metrics, health, leaseName string
	profiles                   string
	certificate                certificate
	elect                      bool
	lease                      *lease.Lease
	// Verbose logs decisions as well.
	Verbose bool
	// Version prints the version and exits.
	Version bool
}

// ParseFlags reads the command line. The error names the flag and the remedy.
func ParseFlags(set *flag.FlagSet, args []string) (Flags, error) {
	f := Flags{}
	set.StringVar(&f.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "the operator's own namespace, which holds its identities (environment POD_NAMESPACE)")
	set.StringVar(&f.namespaces, "namespaces", "", "comma-separated namespaces to watch; empty is all")
	set.StringVar(&f.DataDir, "data-dir", "/var/lib/mantle", "the folder for logs and packages")
	set.StringVar(&f.PackageRoot, "package-root", "", "the folder that file: package URLs are confined to; if empty, file: URLs are refused")
	set.Func("package-allow-cidr", "comma-separated ranges from which packages may be fetched even if they are loopback, link-local, the API server's, or belong to a name inside the cluster; can be repeated", ranges(&f.PackageAllowCIDRs))
	set.Func("target-allow-cidr", "comma-separated ranges in which the operator may connect to machines even if they are loopback, link-local, the API server's, or belong to a name inside the cluster; can be repeated", ranges(&f.TargetAllowCIDRs))
	set.Int64Var(&f.PackageMaxBytes, "package-max-bytes", 0, "the largest size of a package, in bytes; 0 means 4 GiB")
	set.StringVar(&f.EngineDir, "engine-dir", "/usr/lib/mantle", "the folder with the engines that are uploaded to machines without one, named tentacle-<os>-<arch>[.exe]; make cross builds them")
	set.IntVar(&f.MaxDials, "max-dials", 64, "the largest number of connections to machines that are being established at once, including handshakes")
	set.IntVar(&f.MaxFollowers, "max-followers", 2000, "the largest number of scripts that are followed at once, at most three quarters of them in one namespace; other scripts are polled")
	set.IntVar(&f.Workers, "workers", fair.Many, "the largest number of runs, of targets, and of bindings, that are reconciled at once; one namespace can use at most half")
	set.StringVar(&f.metrics, "metrics-bind-address", ":8443", "the address at which metrics and logs are served over TLS; 0 disables it")
	f.certificate.flags(set)
	set.StringVar(&f.health, "health-probe-bind-address", ":8081", "the address at which /healthz and /readyz are served")
	set.StringVar(&f.profiles, "pprof-bind-address", "", "the loopback address at which CPU and memory profiles are served without authentication; if empty, they are not served")
	set.BoolVar(&f.elect, "leader-elect", false, "use leader election, so that only one replica is active")
	set.StringVar(&f.leaseName, "leader-election-id", "mantle.mantle.dev", "the name of the leader election lease")
	set.DurationVar(&f.LeaseDuration, "lease-duration", 15*time.Second, "how long a leader may fail to renew its lease before another replica takes over")
	set.BoolVar(&f.Verbose, "v", false, "also log decisions")
	set.BoolVar(&f.Version, "version", false, "print the version and exit")
	if err := set.Parse(args); err != nil {
		return f, fmt.Errorf("parsing flags: %w", err)
	}
	if f.Version {
		return f, nil
	}
	if f.elect && f.LeaseDuration < minLease {
		return f, fmt.Errorf("--lease-duration: %s is too short; at least %s is needed", f.LeaseDuration, minLease)
	}
	if f.Workers < 1 {
		return f, fmt.Errorf("--workers: %d is too few; at least 1 is needed", f.Workers)
	}
	if f.profiles != "" && !loopback(f.profiles) {
		return f, fmt.Errorf("--pprof-bind-address: %q is not a loopback address with a port; use one such as 127.0.0.1:6060", f.profiles)
	}
	if f.Namespace == "" {
		return f, errors.New("--namespace is required: set it to the operator's own namespace, or set POD_NAMESPACE")
	}
	return f, f.certificate.check()
}

// loopback reports whether address, a host and port, can be reached only from this machine.
func loopback(address string) bool {
	to, err := netip.ParseAddrPort(address)
	return err == nil && to.Addr().IsLoopback()
}

// ranges returns the function of a flag that appends its ranges to a list.
func ranges(to *[]netip.Prefix) func(string) error {
	return func(list string) error {
		for _, text := range split(list) {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return fmt.Errorf("%q is not a range such as 10.0.0.0/8: %w", text, err)
			}
			*to = append(*to, prefix)
		}
		return nil
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// apiRequests limits the requests to the API server for one namespace. A deployment to one machine has up to five at once.
var apiRequests = turns.Share{Alone: 32, Modest: 8, Busy: 2}

// Guard limits the share of the API server that one namespace can use. With --leader-elect, it also creates the leader
// election lock, and refuses requests that change something while this replica does not hold the lease. Call it before
// Manager.
func (f *Flags) Guard(access *rest.Config) error {
	// Outside the lease's transport, so that the lease is checked after a request has waited for its turn.
	defer access.Wrap(turns.Transport(apiRequests, f.Namespace))
	if !f.elect {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("reading the host name: %w", err)
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, f.Namespace, f.leaseName,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}, access, f.renewDeadline())
	if err != nil {
		return fmt.Errorf("creating the lease: %w", err)
	}
	f.lease = lease.New(lock, f.LeaseDuration)
	f.Fence = f.lease.Fence
	access.Wrap(f.lease.Transport)
	return nil
}

// Run runs the manager until the context ends or this process loses its lease.
func (f *Flags) Run(ctx context.Context, mgr ctrl.Manager) error { return f.lease.Run(ctx, mgr.Start) }

// renewDeadline is how long a leader tries to renew its lease.
func (f *Flags) renewDeadline() time.Duration { return f.LeaseDuration * 2 / 3 }

// Manager returns the options of the manager that runs the controllers.
func (f *Flags) Manager(scheme *runtime.Scheme) ctrl.Options {
	timeout := shutdown
	// A standby sees the last renewal, and then the end of the lease, up to two retry periods late.
	renew, retry := f.renewDeadline(), f.LeaseDuration/15
	o := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       f.metricsServer(),
		HealthProbeBindAddress:        f.health,
		PprofBindAddress:              f.profiles,
		LeaderElection:                f.elect,
		LeaderElectionID:              f.leaseName,
		LeaderElectionNamespace:       f.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &f.LeaseDuration,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		GracefulShutdownTimeout:       &timeout,
		Cache:                         cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: cached()},
		// A cached read of Secrets would watch every Secret of the cluster.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Namespace{}}}},
	}
	if f.lease != nil {
		o.LeaderElectionResourceLockInterface = f.lease
	}
	for _, namespace := range split(f.namespaces) {
		if o.Cache.DefaultNamespaces == nil {
			o.Cache.DefaultNamespaces = map[string]cache.Config{}
		}
		o.Cache.DefaultNamespaces[namespace] = cache.Config{}
	}
	return o
}

// cached returns how kinds are cached. Of ControllerRevisions, only snapshots are watched, as every StatefulSet and
// DaemonSet of the cluster has some. They are not copied when read, so they must not be modified. Runs and slices are
// cached without the fields that only their own controller needs.
func cached() map[client.Object]cache.ByObject {
	snapshots, err := labels.NewRequirement(v1alpha1.LabelReleaseUID, selection.Exists, nil)
	if err != nil {
		panic(err) // the label is a constant
	}
	shared := true
	return map[client.Object]cache.ByObject{
		&appsv1.ControllerRevision{}:   {Label: labels.NewSelector().Add(*snapshots), UnsafeDisableDeepCopy: &shared},
		&v1alpha1.DeploymentRunSlice{}: {Transform: watch.Slim},
		&v1alpha1.DeploymentRun{}:      {Transform: watch.Slim},
	}
}

// APIServerAddresses returns the addresses of the Kubernetes API server in the configuration; none if its name does not resolve.
func APIServerAddresses(access *rest.Config) []netip.Addr {
	host := access.Host
	if u, err := url.Parse(access.Host); err == nil && u.Host != "" {
		host = u.Hostname()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil // nobody can connect to a name that does not resolve
	}
	var addresses []netip.Addr
	for _, ip := range found {
		if a, ok := netip.AddrFromSlice(ip.IP); ok {
			addresses = append(addresses, a.Unmap())
		}
	}
	return addresses
}
