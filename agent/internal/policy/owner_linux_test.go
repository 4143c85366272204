package policy

import (
	"os"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// The file stays the same, but for its owner, when what is wrong with it is mended by chown.
func TestAFileThatTheDaemonCannotReadIsReadOnceItIsGivenToIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	const daemon = 23456
	r := newRig(t, true)
	r.write("operators: {\"*\": {}}")
	for at := r.home.Dir(); at != os.TempDir(); at = at[:strings.LastIndexByte(at, '/')] {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(r.home.State(), daemon, daemon); err != nil {
		t.Fatal(err)
	}
	check := func() (err error) {
		t.Helper()
		_ = account.As(&account.Account{Name: "daemon", UID: daemon, GID: daemon}, func() error {
			_, err = r.Check(Start{Operator: sha256A})
			return nil
		})
		return err
	}
	r.refused(check(), RulePolicy)
	if !strings.Contains(r.log.String(), "chown 23456 "+r.home.Policy()) {
		t.Errorf("the log does not say how to mend it: %s", r.log.String())
	}
	if err := os.Chown(r.home.Policy(), daemon, daemon); err != nil {
		t.Fatal(err)
	}
	r.refused(check(), "")
}
