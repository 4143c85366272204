package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An administrator writes files as root, and the daemon of 'service install --user' cannot read them.
func TestFilesThatTheDaemonsUserCannotReadAreFoundByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	const daemon = 23456
	r := newRig(t)
	r.must("init", "--trust", sha1a)
	state := filepath.Join(r.home, ".tentacle")
	if err := os.MkdirAll(filepath.Join(state, "tickets", "one"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(state, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, daemon, daemon))
	})
	if err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(state, "policy.yaml")
	overwrite(t, policy, "operators: {\"*\": {}}\n")
	cannot := policy + " belongs to root and has mode 0600, so the daemon's user, 23456, cannot use it"
	chown := "chown 23456 " + policy

	contains(t, r.must("show"), cannot, "nobody may run or transfer anything", "Next: mend the policy: "+chown)
	if s := r.show(); s.PolicyProblem != cannot {
		t.Errorf("the problem of the policy is %q", s.PolicyProblem)
	}
	exit, out, stderr := r.call("policy", "check", policy)
	if exit != ExitConfig {
		t.Errorf("exit code %d of policy check", exit)
	}
	contains(t, out, "Every operator without an entry")
	contains(t, stderr, cannot, "forbids everything to everybody", chown)
	_, out, _ = r.call("doctor")
	contains(t, out, "fail  policy        nobody may do anything: "+cannot, "-> "+chown)

	if err := os.Chown(policy, daemon, daemon); err != nil {
		t.Fatal(err)
	}
	contains(t, r.must("policy", "check", policy), "On this machine it is")
	contains(t, r.must("policy", "check", r.file("new.yaml", "operators: {\"*\": {}}\n")), "chown 23456 "+r.beside("new.yaml")+" && chmod 0600 "+r.beside("new.yaml")+" && mv "+r.beside("new.yaml")+" "+policy)
	for _, name := range []string{"key.pem", "certificate.pem", "trust.json", "config.yaml", "audit", "tickets"} {
		path := filepath.Join(state, name)
		_, out, _ := r.call("doctor")
		if strings.Contains(out, "belongs to root") {
			t.Fatalf("it is well, but\n%s", out)
		}
		if err := errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o700)); err != nil {
			t.Fatal(err)
		}
		_, out, _ = r.call("doctor")
		contains(t, out, "fail  home ", path+" belongs to root", "chown ", " 23456 "+path)
		if err := os.Chown(path, daemon, daemon); err != nil {
			t.Fatal(err)
		}
	}
}
