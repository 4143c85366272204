//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// The attacker may change everything in its namespace. So many requests a second it makes: the API server shares the
// machine with everything else here, and is not what is tested.
const (
	requestsPerSecond = 30
	attackers         = 8
	secrets           = 64
	secretSize        = 4 << 10
)

// hostile is a tenant, with its rights, its machines and its packages.
type hostile struct {
	t         *testing.T
	access    *rest.Config
	client    client.Client
	namespace string
	scale     int
	authority string
	url       string
	// addresses of its machines; those of liars are followed by their thumbprint.
	addresses []string
	random    *rand.Rand
	asked     atomic.Int64
	failed    atomic.Int64
	why       atomic.Value
	named     atomic.Int64
}

func newHostile(w *world, scale int) *hostile {
	w.t.Helper()
	h := &hostile{t: w.t, namespace: w.cluster.Namespace(w.t), scale: scale, random: rand.New(rand.NewPCG(1, 2))}
	h.access = w.cluster.AsServiceAccount(w.t, h.namespace, "administrator")
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "administrator"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"mantle.dev"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"*"}}}}
	bound := &rbacv1.RoleBinding{ObjectMeta: role.ObjectMeta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: h.namespace, Name: "administrator"}}}
	for _, o := range []client.Object{role, bound} {
		if err := w.client.Create(w.t.Context(), o); err != nil {
			w.t.Fatal(err)
		}
	}
	h.url, h.authority = slowServer(w.t, w.dir)
	for range 4 {
		h.addresses = append(h.addresses, newLiar(w.t, liar{entries: output(256 << 10)}), newLiar(w.t, liar{pause: time.Hour}),
			newLiar(w.t, liar{entries: output(4 << 20), pause: time.Second, jumps: true}), newLiar(w.t, liar{}), silent(w.t), blackHole(w.t))
	}
	h.addresses = append(h.addresses, "127.0.0.1:1", "no-such-name.invalid:10933", "192.0.2.1:10933", "169.254.169.254:80")
	return h
}

// attack fills the namespace, and then changes it until it is stopped.
func (h *hostile) attack() (stop func()) {
	h.t.Helper()
	h.access.QPS = -1
	h.client = kubetest.Client(h.t, h.access)
	begun := time.Now()
	h.fill()
	h.t.Logf("filled in %s: %s", time.Since(begun).Round(time.Millisecond), h.told())
	limited := rest.CopyConfig(h.access)
	limited.QPS, limited.RateLimiter = 0, flowcontrol.NewTokenBucketRateLimiter(requestsPerSecond, requestsPerSecond)
	h.client = kubetest.Client(h.t, limited)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i := range attackers {
		random := rand.New(rand.NewPCG(uint64(i), 3))
		running.Go(func() {
			for ctx.Err() == nil {
				h.attacks()[random.IntN(len(h.attacks()))](ctx, random)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// told is how much it did.
func (h *hostile) told() string {
	why, _ := h.why.Load().(string)
	return fmt.Sprintf("%d requests of the attacker, %d refused (%s)", h.asked.Load(), h.failed.Load(), why)
}

// did counts a request.
func (h *hostile) did(err error) {
	h.asked.Add(1)
	if client.IgnoreNotFound(err) != nil {
		h.failed.Add(1)
		h.why.Store(err.Error()[:min(len(err.Error()), 200)])
	}
}

func (h *hostile) create(ctx context.Context, o client.Object) {
	o.SetNamespace(h.namespace)
	h.did(h.client.Create(ctx, o))
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func (h *hostile) fill() {
	ctx := h.t.Context()
	seconds := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Second} }
	h.create(ctx, &v1alpha1.Environment{ObjectMeta: named("production")})
	h.create(ctx, &v1alpha1.TargetPolicy{ObjectMeta: named("greedy"), Spec: v1alpha1.TargetPolicySpec{
		HealthCheck: &v1alpha1.HealthCheck{Interval: seconds(10), Type: v1alpha1.HealthCheckScript, Timeout: seconds(3600), Bash: "while :; do echo endless; done"},
		Connection:  &v1alpha1.Connection{ConnectTimeout: seconds(120), RetryDuration: seconds(3600)}}})
	h.create(ctx, &v1alpha1.TargetPolicy{ObjectMeta: named("never"), Spec: v1alpha1.TargetPolicySpec{HealthCheck: &v1alpha1.HealthCheck{Interval: seconds(0)}}})
	var variables []v1alpha1.Variable
	var env []v1alpha1.EnvVar
	for i := range secrets {
		name := fmt.Sprintf("secret-%d", i)
		h.create(ctx, &corev1.Secret{ObjectMeta: named(name), StringData: map[string]string{"value": strings.Repeat(fmt.Sprint(i, "-"), secretSize/4)}})
		variables = append(variables, v1alpha1.Variable{Name: fmt.Sprintf("v%d", i), Values: []v1alpha1.VariableValue{{
			ValueFrom: &v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: name, Key: "value"}}}}})
		if i < 16 {
			env = append(env, v1alpha1.EnvVar{Name: fmt.Sprintf("V%d", i), Value: fmt.Sprintf("$(v%d)", i)})
		}
	}
	h.create(ctx, &v1alpha1.Project{ObjectMeta: named("shop"), Spec: v1alpha1.ProjectSpec{Variables: variables, Steps: []v1alpha1.Step{{Name: "work",
		StepModifiers: v1alpha1.StepModifiers{Timeout: seconds(168 * 3600), Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "echo " + strings.Repeat("x", 60<<10), Env: env}}}}}})
	packaged := v1alpha1.ProjectSpec{}
	for i := range 32 {
		packaged.Packages = append(packaged.Packages, v1alpha1.ProjectPackage{Name: v1alpha1.StepName(fmt.Sprintf("p%d", i)), URL: h.url + fmt.Sprintf("/%d/{version}", i)})
		packaged.Steps = append(packaged.Steps, v1alpha1.Step{Name: v1alpha1.StepName(fmt.Sprintf("s%d", i)),
			StepModifiers: v1alpha1.StepModifiers{Deploy: &v1alpha1.DeployStep{Package: v1alpha1.StepName(fmt.Sprintf("p%d", i))}}})
	}
	h.create(ctx, &v1alpha1.Project{ObjectMeta: named("packaged"), Spec: packaged})
	for i := range 3 {
		h.create(ctx, &v1alpha1.Release{ObjectMeta: named(fmt.Sprintf("shop-1.0.%d", i)), Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: v1alpha1.Version(fmt.Sprintf("1.0.%d", i))}})
	}
	h.create(ctx, &v1alpha1.ReleaseBinding{ObjectMeta: named("bound"), Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "1.0.0"}})
	var filling sync.WaitGroup
	for part := range attackers {
		random := rand.New(rand.NewPCG(uint64(part), 4))
		filling.Go(func() {
			for i := range 300 * h.scale / attackers {
				h.addTarget(ctx, fmt.Sprintf("t-%d-%d", part, i), random)
			}
			for range 100 * h.scale / attackers {
				h.addRun(ctx, random)
			}
			for range 20 * h.scale / attackers {
				h.addRelease(ctx, random)
			}
		})
	}
	filling.Wait()
}

func (h *hostile) addTarget(ctx context.Context, name string, random *rand.Rand) {
	address, thumbprint, _ := strings.Cut(h.addresses[random.IntN(len(h.addresses))], " ")
	if thumbprint == "" {
		thumbprint = strings.Repeat("AB", 20)
	}
	h.create(ctx, &v1alpha1.DeploymentTarget{ObjectMeta: named(name), Spec: v1alpha1.DeploymentTargetSpec{Address: address, Thumbprint: thumbprint,
		Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}, Policy: pick(random, v1alpha1.ObjectName("greedy"), "greedy", "", "never")}})
}

func (h *hostile) addRun(ctx context.Context, random *rand.Rand) {
	run := &v1alpha1.DeploymentRun{ObjectMeta: named(fmt.Sprintf("run-%d", h.named.Add(1))), Spec: v1alpha1.DeploymentRunSpec{Project: "shop",
		Environment: pick(random, v1alpha1.ObjectName("production"), "production", "nowhere"), Release: pick(random, v1alpha1.Version("1.0.0"), "1.0.1", "9.9.9"),
		State: pick(random, v1alpha1.RunStateRun, v1alpha1.RunStateRun, v1alpha1.RunStateCancel)}}
	if random.IntN(4) == 0 {
		run.Finalizers = []string{"example.com/stay"}
	}
	h.create(ctx, run)
}

func (h *hostile) addRelease(ctx context.Context, _ *rand.Rand) {
	version := fmt.Sprintf("2.0.%d", h.named.Add(1))
	r := &v1alpha1.Release{ObjectMeta: named("packaged-" + version), Spec: v1alpha1.ReleaseSpec{Project: "packaged", Version: v1alpha1.Version(version)}}
	for i := range 32 {
		r.Spec.Packages = append(r.Spec.Packages, v1alpha1.ReleasePackage{Name: v1alpha1.StepName(fmt.Sprintf("p%d", i)), Version: version})
	}
	h.create(ctx, r)
}

func pick[T any](random *rand.Rand, all ...T) T { return all[random.IntN(len(all))] }
