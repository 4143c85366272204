package kubetest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Cluster is the control plane of this test binary, seen by an administrator. It is safe for concurrent use by
// parallel tests, each of which works in a namespace of its own.
type Cluster struct {
	// Config is the administrator's, without a client-side rate limit. Copy it before a change.
	Config *rest.Config
	// Kubeconfig is the path of the same as a file.
	Kubeconfig string

	collects bool
}

// one is the control plane that all tests of this binary share. Starting it takes seconds, so there is only one.
var one struct {
	sync.Mutex
	started *running
	err     error
}

// Main runs the tests, stops the control plane if a test started one, and exits with the tests' result. Call it from
// TestMain.
func Main(m *testing.M) {
	code := m.Run()
	one.Lock()
	defer one.Unlock()
	if one.started != nil {
		if err := one.started.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "kubetest:", err)
		}
	}
	os.Exit(code)
}

// Start returns the control plane and starts it first when no test has yet. The test fails when it cannot be started.
func Start(t testing.TB) *Cluster {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	if one.started == nil && one.err == nil {
		one.started, one.err = launch()
	}
	if one.err != nil {
		t.Fatal(one.err)
	}
	config := rest.CopyConfig(one.started.config)
	config.QPS = -1
	return &Cluster{Config: config, Kubeconfig: one.started.kubeconfig, collects: one.started.collects}
}

// RequireGarbageCollection skips the test where objects whose owner is gone, and namespaces that are deleted, stay.
func (c *Cluster) RequireGarbageCollection(t testing.TB) {
	t.Helper()
	if !c.collects {
		t.Skip("needs garbage collection, which the programs in KUBEBUILDER_ASSETS do not have: unset it to run this test")
	}
}

// Scheme returns a new scheme with Kubernetes' own kinds and Mantle's.
func Scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// Client returns a client without a cache that acts as the administrator.
func (c *Cluster) Client(t testing.TB) client.Client {
	t.Helper()
	return Client(t, c.Config)
}

// Client returns a client without a cache that acts as config says.
func Client(t testing.TB, config *rest.Config) client.Client {
	t.Helper()
	cl, err := client.New(config, client.Options{Scheme: Scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// Namespace makes a namespace with a name of its own and deletes it when the test ends.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	cl := c.Client(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := cl.Create(t.Context(), namespace); err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := cl.Delete(cleanup(), namespace); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("deleting the namespace: %v", err)
		}
	})
	return namespace.Name
}

// AsServiceAccount returns a configuration that acts as a ServiceAccount, by a token that is good for an hour. The
// account and its namespace are made when they are missing; which rights it has is the caller's business.
func (c *Cluster) AsServiceAccount(t testing.TB, namespace, name string) *rest.Config {
	t.Helper()
	cl := c.Client(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for _, o := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, account} {
		if err := cl.Create(t.Context(), o); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatalf("making %T %s: %v", o, o.GetName(), err)
		}
	}
	request := &authenticationv1.TokenRequest{}
	if err := cl.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatalf("asking for a token of %s/%s: %v", namespace, name, err)
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.BearerToken = request.Status.Token
	return config
}

// KubeconfigFor writes a kubeconfig that acts as config says, for a program that a test runs, and returns its path.
func KubeconfigFor(t testing.TB, config *rest.Config) string {
	t.Helper()
	const name = "test"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{
		Token:                 config.BearerToken,
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		t.Fatal(err)
	}
	return path
}
