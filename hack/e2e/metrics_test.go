//go:build linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// served runs the operator with metrics, logs and readiness, by a certificate for name, and gives their addresses.
func (w *world) served(name string) (serving, health, certificates string) {
	w.t.Helper()
	certificates = filepath.Join(w.dir, "certificates")
	if err := os.MkdirAll(certificates, 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.certificate(certificates, name)
	var ports [2]string
	for i := range ports {
		l, err := net.Listen("tcp", tentacletest.Loopback())
		if err != nil {
			w.t.Fatal(err)
		}
		ports[i] = l.Addr().String()
		_ = l.Close()
	}
	w.operator.kill()
	w.args = append(w.args, "--metrics-bind-address", ports[0], "--health-probe-bind-address", ports[1], "--metrics-cert-path", certificates)
	w.startOperator()
	return ports[0], ports[1], certificates
}

// certificate writes a certificate for a name, as a renewal does: the files are replaced.
func (w *world) certificate(dir, name string) {
	w.t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey(name, nil, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for file, content := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		next := filepath.Join(dir, file+".next")
		if err := os.WriteFile(next, content, 0o600); err != nil {
			w.t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, file)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// get asks by TLS, with a token unless that is empty, and tells for which name the certificate is.
func (w *world) get(url, token string) (status int, body, name string, err error) {
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.Do(r)
	if err != nil {
		return 0, err.Error(), "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if response.TLS != nil && len(response.TLS.PeerCertificates[0].DNSNames) > 0 {
		name = response.TLS.PeerCertificates[0].DNSNames[0]
	}
	return response.StatusCode, string(content), name, err
}

// account makes a ServiceAccount of the namespace with the rules of a role or a cluster's role, and gives its token.
func (w *world) account(name string, bind func(subject rbacv1.Subject)) string {
	w.t.Helper()
	token := w.cluster.AsServiceAccount(w.t, w.namespace, name).BearerToken
	if bind != nil {
		bind(rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: name})
	}
	return token
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| `(mantle_[a-z_]+)` ")
	family   = regexp.MustCompile(`(?m)^# TYPE (mantle_[a-z_]+) `)
)

func names(of *regexp.Regexp, text string) []string {
	var all []string
	for _, match := range of.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Metrics are for those who may read them, by the certificate that was given; each of the list in docs/operating.md is there
// once something was deployed, and no other. The output of steps has its own rule.
func TestMetricsAreThoseThatAreDocumentedAndForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	serving, health, certificates := w.served("first.example")
	reader := w.account("prometheus", func(s rbacv1.Subject) {
		b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "metrics-" + w.namespace}, Subjects: []rbacv1.Subject{s},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "mantle-metrics-reader"}}
		if err := w.client.Create(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.client.Delete(t.Context(), b) })
	})
	logReader := w.account("reader", func(s rbacv1.Subject) {
		w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"mantle.dev"}, Resources: []string{"deploymentruns/log"}, Verbs: []string{"get"}}}})
		w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Subjects: []rbacv1.Subject{s},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"}})
	})
	stranger := w.account("stranger", nil)

	w.eventually("the operator is ready", time.Minute, func() (bool, string) {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, response.Status
	})
	w.tentacle("web-1")
	w.eventually("the target is healthy", time.Minute, func() (bool, string) { return w.healthy("web-1") })
	pack(t, filepath.Join(w.packages, "shop-1.0.0.tar.gz"))
	w.script("1.0.0", "echo confidential", func(p *v1alpha1.Project) {
		p.Spec.Packages = []v1alpha1.ProjectPackage{{Name: "shop", URL: "file://" + w.packages + "/shop-{version}.tar.gz"}}
	})
	w.bind("1.0.0")
	run := w.ended(time.Minute)
	if run.Status.Phase != v1alpha1.RunSucceeded {
		t.Fatalf("the run: %+v", run.Status)
	}

	metrics, output := "https://"+serving+"/metrics", fmt.Sprintf("https://%s/logs/%s/%s/web-1/work", serving, w.namespace, run.Name)
	for _, c := range []struct {
		who, url, token string
		want            int
	}{
		{"nobody", metrics, "", http.StatusUnauthorized},
		{"a token of nobody", metrics, "nonsense", http.StatusUnauthorized},
		{"a stranger", metrics, stranger, http.StatusForbidden},
		{"who may read logs", metrics, logReader, http.StatusForbidden},
		{"who may read metrics", metrics, reader, http.StatusOK},
		{"who may read logs", output, logReader, http.StatusOK},
		{"who may read metrics", output, reader, http.StatusForbidden},
		{"nobody", output, "", http.StatusUnauthorized},
		{"a detour", "https://" + serving + "/logs/../metrics", "", http.StatusUnauthorized},
	} {
		status, body, _, err := w.get(c.url, c.token)
		if err != nil || status != c.want || strings.Contains(body, "mantle_targets{") != (c.url == metrics && c.want == http.StatusOK) {
			t.Errorf("%s asks for %s: %d, %v, %.300s", c.who, c.url, status, err, body)
		}
	}

	root, err := kubetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	documented, err := os.ReadFile(filepath.Join(root, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, scraped, name, err := w.get(metrics, reader)
	if want, got := names(tableRow, string(documented)), names(family, scraped); err != nil || len(want) < 15 || !slices.Equal(want, got) {
		t.Errorf("documented are\n%s, scraped are\n%s", want, got)
	}
	for _, want := range []string{
		fmt.Sprintf(`mantle_runs{namespace=%q,phase="Succeeded"} 1`, w.namespace), fmt.Sprintf(`mantle_bindings{namespace=%q,state=`, w.namespace),
		fmt.Sprintf(`mantle_targets{health="Healthy",namespace=%q} 1`, w.namespace), `mantle_runs_finished_total{phase="Succeeded"} 1`,
		`mantle_run_queue_duration_seconds_count 1`, `mantle_action_queue_duration_seconds_count 1`, `mantle_actions{state="running"} 0`,
		`mantle_dials_limit 64`, `mantle_followers_limit 2000`, `mantle_package_fetch_duration_seconds_count{outcome="success"} 1`,
		`leader_election_master_status{name="e2e-` + w.namespace + `"} 1`, `workqueue_depth{`, `rest_client_requests_total{`} {
		if !strings.Contains(scraped, want) {
			t.Errorf("the metrics do not have %s:\n%s", want, strings.Join(regexp.MustCompile(`(?m)^(mantle|leader)_.*$`).FindAllString(scraped, -1), "\n"))
		}
	}
	if strings.Contains(scraped, "mantle_slice_write_bytes_total 0\n") || strings.Contains(scraped, "mantle_package_fetch_bytes_total 0\n") {
		t.Error("no bytes were counted")
	}

	if name != "first.example" {
		t.Errorf("the certificate is for %q", name)
	}
	w.certificate(certificates, "second.example")
	w.eventually("the renewed certificate is served", 2*time.Minute, func() (bool, string) {
		_, _, name, err := w.get(metrics, "")
		return name == "second.example", fmt.Sprint(name, err)
	})
}

// Events of what a namespace's deletion takes cannot be made. That is no error.
func TestEventsThatADeletedNamespaceRefusesAreNoErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cluster.RequireGarbageCollection(t)
	w.tentacle("web-1")
	w.script("1.0.0", "sleep 60")
	w.bind("1.0.0")
	w.eventually("the step runs", time.Minute, func() (bool, string) {
		rows := w.rows("web-1")
		return len(rows) == 1 && rows[0].Sent, fmt.Sprintf("%+v", rows)
	})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	if err := w.client.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w.eventually("the namespace is gone", 2*time.Minute, func() (bool, string) {
		err := w.client.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace)
		return apierrors.IsNotFound(err), fmt.Sprintf("%v, %+v", err, namespace.Status)
	})
	w.operator.signal(syscall.SIGTERM)
	log, err := os.ReadFile(filepath.Join(w.dir, "operator.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"level":"error"`) && (strings.Contains(line, "rejected event") || strings.Contains(line, "being terminated")) {
			t.Errorf("the log has %s", line)
		}
	}
}
