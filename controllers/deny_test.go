package controllers_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Who may write targets must not learn what listens where only the operator gets to.
func TestMachinesAreNotConnectedToWhereTheyMustNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.options.TargetAllowCIDRs = nil })
	listening := w.machine("listening")
	addresses := map[string]string{
		"listening": listening.Endpoint().Address, "api-server": strings.TrimPrefix(w.cluster.Config.Host, "https://"), "nothing": "127.0.0.1:1",
		"ipv6": "[::1]:10933", "mapped": "[::ffff:127.0.0.1]:10933", "localhost": "localhost:10933", "any": "0.0.0.0:10933", "metadata": "169.254.169.254:80", "service": "kubernetes.default.svc:443",
	}
	for name, address := range addresses {
		w.create(&v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DeploymentTargetSpec{
			Address: address, Thumbprint: strings.Repeat("0", 40), Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}}})
	}
	told := map[string]bool{}
	for name, address := range addresses {
		target := &v1alpha1.DeploymentTarget{}
		ready := w.reasonOf(target, name, v1alpha1.ConditionReady, v1alpha1.ReasonAddressRefused)
		if !strings.Contains(ready.Message, "--target-allow-cidr") || target.Status.Health != v1alpha1.HealthUnavailable || target.Status.Certificate != nil {
			t.Errorf("%s: health %s, %s", name, target.Status.Health, ready.Message)
		}
		for i := range target.Status.Conditions {
			c := &target.Status.Conditions[i]
			told[c.Type+" "+string(c.Status)+" "+c.Reason+" "+strings.ReplaceAll(c.Message, address, "ADDRESS")] = true
		}
	}
	if len(told) != 5 { // Ready, Stalled, Reachable, Trusted, EnvironmentsFound
		t.Errorf("what is told differs by what is there: %v", told)
	}
	if listening.Refused() != 0 || len(listening.Executions()) != 0 {
		t.Error("a refused machine was connected to")
	}
}
