package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
)

const (
	first  = halibut.Thumbprint("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	second = halibut.Thumbprint("sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

// A folder below Applications belongs to the operator that deployed there first, unless the policy says otherwise.
func TestAFolderOfApplicationsBelongsToWhoDeployedThereFirst(t *testing.T) {
	h, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	untrusted := map[halibut.Thumbprint]bool{}
	var list *List
	open := func() {
		list = Open(Config{Home: h, Applications: OpenApplications(h, func(o halibut.Thumbprint) bool { return !untrusted[o] })})
	}
	check := func(what string, operator halibut.Thumbprint, folder, want string) {
		t.Helper()
		_, err := list.Check(Start{Operator: operator, Call: &Call{Kind: step.KindDeploy, Application: folder}})
		refused, ok := errors.AsType[*Refusal](err)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case want != "" && (!ok || refused.Rule() != RuleApplications || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	open()
	check("the first", first, "shop", "")
	check("the first again", first, "shop", "")
	check("another", second, "shop", string(first))
	check("another, by another spelling", second, "Shop", string(first))
	check("another folder", second, "bank", "")
	if err := os.Mkdir(filepath.Join(h.Applications(), "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	open()
	check("after a restart", second, "shop", string(first))
	check("what was never made", first, "bank", "")
	policy := func(text string) {
		t.Helper()
		if err := home.WriteFile(h.Policy(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	policy("operators: {" + string(first) + ": {applications: [shop]}, " + string(second) + ": {applications: [shop, bank]}}")
	check("given to several", second, "shop", "")
	check("given to several", first, "shop", "")
	check("not given", first, "bank", "allowed: shop")
	policy("operators: {" + string(first) + ": {applications: [till]}, " + string(second) + ": {}}")
	check("given to another", second, "till", "other operators only")
	check("as before", second, "shop", string(first))
	untrusted[first] = true
	check("of one who is not trusted any more", second, "shop", "")
	if _, err := list.Check(Start{Operator: first, Call: &Call{Kind: step.KindRun}}); err != nil {
		t.Errorf("what deploys nothing: %v", err)
	}
	if err := home.WriteFile(h.State("applications.json"), []byte("{")); err != nil {
		t.Fatal(err)
	}
	open()
	check("the file is damaged", second, "shop", "remove it")
}
