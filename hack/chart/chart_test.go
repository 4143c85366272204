package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/mantledeploy/mantle/hack/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// repository returns a path in the repository.
func repository(t *testing.T, path ...string) string {
	t.Helper()
	root, err := kubetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{root}, path...)...)
}

// helm runs Helm with folders of its own and returns all that it printed.
func helm(t *testing.T, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), kubetest.Binary(t, "helm"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig,
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// render returns the objects of the chart, by kind and name, for the values.
func render(t *testing.T, values ...string) map[string]object {
	t.Helper()
	args := []string{"template", "mantle", repository(t, "charts", "mantle"), "--namespace", "mantle-system"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	out, err := helm(t, "", args...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), "rendered.yaml")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	objects := map[string]object{}
	for _, o := range kubetest.Documents(t, file) {
		objects[o.GetKind()+" "+o.GetName()] = o.Object
	}
	return objects
}

// rules returns the rules of a role.
func rules(t *testing.T, o object) []rbacv1.PolicyRule {
	t.Helper()
	data, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.Unmarshal(data, &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

func TestInstallsAgainstARealAPIAndLeavesTheDefinitions(t *testing.T) {
	cluster := kubetest.Start(t)
	// The chart has to install the definitions itself.
	if out, err := cluster.Kubectl(t, "", "delete", "--wait", "-k", repository(t, "config", "crd")); err != nil {
		t.Fatalf("deleting the definitions: %v\n%s", err, out)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := helm(t, cluster.Kubeconfig, append(args, "--namespace", "mantle-system")...)
		if err != nil {
			t.Fatalf("helm %s: %v\n%s", args[0], err, out)
		}
		return out
	}
	chart := repository(t, "charts", "mantle")

	out := run("install", "mantle", chart, "--create-namespace")
	for _, told := range []string{"tentacle trust add", "mantle.dev/retry=", "port-forward -n mantle-system service/mantle 8443", "/logs/shop/<run>/<target>/<step>"} {
		if !strings.Contains(out, told) {
			t.Errorf("the notes do not say %q:\n%s", told, out)
		}
	}
	for _, look := range [][]string{
		{"get", "deployment", "mantle", "--namespace", "mantle-system"},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/projects.mantle.dev"},
		{"apply", "--validate=strict", "--namespace", cluster.Namespace(t), "-k", repository(t, "config", "samples")},
	} {
		// A kind that has just been established may take a moment to be found.
		if out, err := kubectlSoon(t, cluster, look); err != nil {
			t.Errorf("kubectl %s: %v\n%s", strings.Join(look, " "), err, out)
		}
	}
	run("upgrade", "mantle", chart, "--set", "replicas=2")
	if out, err := cluster.Kubectl(t, "", "get", "poddisruptionbudget", "mantle", "--namespace", "mantle-system"); err != nil {
		t.Errorf("two replicas have no disruption budget: %v\n%s", err, out)
	}
	run("uninstall", "mantle")
	if out, err := cluster.Kubectl(t, "", "get", "crd", "projects.mantle.dev"); err != nil {
		t.Errorf("uninstalling took a definition, and so everybody's objects: %v\n%s", err, out)
	}
	if out, err := cluster.Kubectl(t, "", "get", "clusterrole", "mantle"); err == nil {
		t.Errorf("uninstalling left the operator's rights: %s", out)
	}
}

// kubectlSoon runs kubectl until it is content, for ten seconds.
func kubectlSoon(t *testing.T, cluster *kubetest.Cluster, args []string) (string, error) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		out, err := cluster.Kubectl(t, "", args...)
		if err == nil || time.Now().After(deadline) {
			return out, err
		}
	}
}

func TestGivesTheOperatorTheRightsOfConfig(t *testing.T) {
	written, err := read(repository(t, "config", "rbac", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rendered := render(t)
	for _, o := range written {
		kind, _ := o["kind"].(string)
		if diff := cmp.Diff(rules(t, o), rules(t, rendered[kind+" mantle"])); diff != "" {
			t.Errorf("the rules of the %s differ (-config +chart):\n%s", kind, diff)
		}
	}
}

// What the operator writes it may write there only: every other Secret and ConfigMap of the cluster is read at most.
func TestOnlyTheOperatorsOwnSecretsAndConfigMapMayBeWritten(t *testing.T) {
	for _, values := range [][]string{nil, {"watchNamespaces={shop}"}} {
		for name, o := range render(t, values...) {
			if !strings.HasPrefix(name, "ClusterRole mantle") && !strings.HasPrefix(name, "Role mantle") {
				continue
			}
			own := name == "Role mantle" // in the operator's namespace
			for _, rule := range rules(t, o) {
				secret, configMap := slices.Contains(rule.Resources, "secrets"), slices.Contains(rule.Resources, "configmaps")
				for _, verb := range rule.Verbs {
					reads := verb == "get"
					publishes := verb == "create" || verb == "update" && slices.Equal(rule.ResourceNames, []string{"mantle-identity"})
					if secret && !own && !reads || configMap && !reads && !publishes {
						t.Errorf("%v: the %s gives the right to %s any of %v", values, name, verb, rule.Resources)
					}
				}
			}
		}
	}
}

func TestDeploysWhatConfigDeploys(t *testing.T) {
	written, err := read(repository(t, "config", "manager", "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rendered := render(t, "image.tag=latest")["Deployment mantle"]
	for _, path := range [][]any{
		{"spec", "template", "spec", "securityContext"},
		{"spec", "template", "spec", "containers", 0},
		{"spec", "template", "spec", "volumes", 0},
	} {
		want, err := at(written[0], path...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := at(rendered, path...)
		if err != nil {
			t.Fatal(err)
		}
		normal := func(o object) string { data, _ := yaml.Marshal(o); return string(data) }
		if diff := cmp.Diff(normal(want), normal(got)); diff != "" {
			t.Errorf("%v differs (-config +chart):\n%s", path, diff)
		}
	}
}

func TestWatchedNamespacesNarrowTheRights(t *testing.T) {
	rendered := render(t, "watchNamespaces={shop,web}")
	for _, rule := range rules(t, rendered["ClusterRole mantle"]) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				finalizer := group == "mantle.dev" && resource == "deploymentruns" && cmp.Equal(rule.Verbs, []string{"patch"})
				if !finalizer && !clusterWide(group, resource) {
					t.Errorf("cluster-wide the operator may still %v %s of %q", rule.Verbs, resource, group)
				}
			}
		}
	}
	if rendered["Role mantle-watched"] == nil || rendered["RoleBinding mantle-watched"] == nil {
		t.Error("there is no role in the watched namespaces")
	}
}

func TestOldWindowsAndOtherEnginesAreAskedFor(t *testing.T) {
	container := func(values ...string) string {
		t.Helper()
		o, err := at(render(t, values...)["Deployment mantle"], "spec", "template", "spec", "containers", 0)
		if err != nil {
			t.Fatal(err)
		}
		data, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for value, want := range map[string]string{"legacyTLS=true": "tlsrsakex=1", "engineDir=/engines": "--engine-dir=/engines",
		"targetAllowCIDRs={10.96.0.0/12,fd00::/8}": "--target-allow-cidr=10.96.0.0/12,fd00::/8", "packageAllowCIDRs={10.96.0.0/12}": "--package-allow-cidr=10.96.0.0/12"} {
		if strings.Contains(container(), want) || !strings.Contains(container(value), want) {
			t.Errorf("%s should give %s, and nothing else should", value, want)
		}
	}
}

func TestUnknownValueIsRefused(t *testing.T) {
	for _, value := range []string{"replica=2", "image.pullPolicy=Sometimes", "replicas=3,persistence.enabled=true"} {
		out, err := helm(t, "", "template", "mantle", repository(t, "charts", "mantle"), "--set", value)
		if err == nil {
			t.Errorf("the value %s was taken:\n%s", value, out)
		}
	}
}

func TestMetricsAreServedByTheCertificateOfASecretAndScraped(t *testing.T) {
	if o := render(t); o["ServiceMonitor mantle"] != nil {
		t.Error("a cluster without the Prometheus Operator gets a ServiceMonitor")
	}
	rendered := render(t, "metrics.tlsSecret=mantle-tls", "metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.interval=30s", "metrics.serviceMonitor.labels.release=prometheus")
	text := func(name string) string {
		t.Helper()
		data, err := yaml.Marshal(rendered[name])
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, wants := range map[string][]string{
		"Deployment mantle":                 {"--metrics-cert-path=/etc/mantle/metrics", "mountPath: /etc/mantle/metrics", "secretName: mantle-tls"},
		"ServiceMonitor mantle":             {"scheme: https", "serverName: mantle.mantle-system.svc", "interval: 30s", "release: prometheus", "app.kubernetes.io/instance: mantle"},
		"ClusterRole mantle-metrics-reader": {"nonResourceURLs:\n  - /metrics\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(text(name), want) {
				t.Errorf("the %s does not have %s:\n%s", name, want, text(name))
			}
		}
	}
	if _, err := at(rendered["ServiceMonitor mantle"], "spec", "endpoints", 0); err != nil {
		t.Error(err)
	}
}
