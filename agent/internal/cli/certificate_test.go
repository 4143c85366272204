package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/identity"
)

// file writes a file beside the rig's home and returns its path.
func (r *rig) file(name, text string) string {
	r.t.Helper()
	path := filepath.Join(filepath.Dir(r.home), name)
	overwrite(r.t, path, text)
	return path
}

func (r *rig) beside(name string) string { return filepath.Join(filepath.Dir(r.home), name) }

func TestANewIdentityIsToldToOperatorsAndTheFormerIsKept(t *testing.T) {
	r := newRig(t)
	r.must("init")
	before := r.show()
	out := r.must("certificate", "new", "--rsa")
	after := r.show()
	if after.SHA256 == before.SHA256 {
		t.Fatal("the identity is the same")
	}
	contains(t, out, string(after.SHA256), string(after.SHA1), "spec.thumbprint", "Octopus")
	kept, err := filepath.Glob(filepath.Join(r.home, ".tentacle", "identities", "*.pem"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	contains(t, out, kept[0])
	r.must("certificate", "import", kept[0])
	if s := r.show(); s.SHA256 != before.SHA256 {
		t.Errorf("after importing what was kept it is %s, not %s", s.SHA256, before.SHA256)
	}
	contains(t, r.must("certificate", "import", kept[0]), "nothing is changed")
	log := r.must("audit")
	if strings.Count(log, "identity") != 2 || !strings.Contains(log, string(after.SHA256)) {
		t.Errorf("two changes are in the audit log as\n%s", log)
	}
}

func TestWhatIsExportedIsImportedElsewhere(t *testing.T) {
	r := newRig(t)
	r.must("init")
	want := r.show().SHA256
	password := r.file("password", "pässword\nsecond line\n")
	for _, args := range [][]string{
		{"a.pfx", "--password-file", password}, {"b.pfx", "--password-file", password, "--legacy"}, {"c.pem"}, {"d", "--format", "pem"},
	} {
		path := r.beside(args[0])
		out := r.must(append([]string{"certificate", "export", path}, args[1:]...)...)
		contains(t, out, string(want), "keys")
		if info, err := os.Stat(path); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		other := newRig(t)
		other.must("init")
		imported := []string{"certificate", "import", path}
		if strings.HasSuffix(path, ".pfx") {
			imported = append(imported, "--password-file", password)
		}
		other.must(imported...)
		if got := other.show().SHA256; got != want {
			t.Errorf("%v: it became %s", args, got)
		}
	}
	r.must("certificate", "export", r.beside("public.crt"), "--without-key")
	public, err := os.ReadFile(r.beside("public.crt"))
	if err != nil || !strings.Contains(string(public), "BEGIN CERTIFICATE") || strings.Contains(string(public), "KEY") {
		t.Errorf("without the key: %s, %v", public, err)
	}
	key := filepath.Join(r.home, ".tentacle", "key.pem")
	other := newRig(t)
	other.must("init")
	other.must("certificate", "import", r.beside("public.crt"), "--key", key)
	if got := other.show().SHA256; got != want {
		t.Errorf("from two files it became %s", got)
	}
}

func TestACommandThatCannotAskSaysHowToTellIt(t *testing.T) {
	r := newRig(t)
	r.must("init")
	before := r.show().SHA256
	password := r.file("password", "right")
	pfx, pem := r.beside("a.pfx"), r.beside("a.pem")
	r.must("certificate", "export", pfx, "--password-file", password)
	r.must("certificate", "export", pem, "--without-key")
	for name, c := range map[string]struct {
		args  []string
		stdin string
		exit  int
		want  []string
	}{
		"no terminal to import":   {args: []string{"import", pfx}, exit: ExitUsage, want: []string{"--password-file"}},
		"no terminal to export":   {args: []string{"export", r.beside("b.pfx")}, exit: ExitUsage, want: []string{"--password-file"}},
		"wrong password":          {args: []string{"import", pfx, "--password-file", "-"}, stdin: "wrong\n", exit: ExitFailed, want: []string{"a.pfx", "not that of the file"}},
		"empty password":          {args: []string{"export", r.beside("b.pfx"), "--password-file", "-"}, exit: ExitUsage, want: []string{"empty"}},
		"a book for a password":   {args: []string{"import", pfx, "--password-file", "-"}, stdin: strings.Repeat("x", 5000), exit: ExitFailed, want: []string{"longer than 4096"}},
		"no password file":        {args: []string{"import", pfx, "--password-file", r.beside("none")}, exit: ExitUsage, want: []string{"--password-file", "none"}},
		"it is there":             {args: []string{"export", pem}, exit: ExitFailed, want: []string{"a.pem", "nothing is overwritten", "another file"}},
		"no key":                  {args: []string{"import", pem}, exit: ExitFailed, want: []string{"a.pem", "--key"}},
		"not there":               {args: []string{"import", r.beside("none.pfx")}, exit: ExitUsage, want: []string{"none.pfx"}},
		"no format":               {args: []string{"export", r.beside("x")}, exit: ExitUsage, want: []string{"--format"}},
		"no such format":          {args: []string{"export", r.beside("x"), "--format", "jks"}, exit: ExitUsage, want: []string{"pfx and pem"}},
		"a password for PEM":      {args: []string{"export", r.beside("x.pem"), "--password-file", password}, exit: ExitUsage, want: []string{"in plain"}},
		"a public PFX":            {args: []string{"export", r.beside("x.pfx"), "--without-key"}, exit: ExitUsage, want: []string{".pem"}},
		"a password for a public": {args: []string{"export", r.beside("x"), "--without-key", "--password-file", password}, exit: ExitUsage, want: []string{"--password-file off"}},
		"no home":                 {args: []string{"new", "--home", r.beside("nowhere")}, exit: ExitNotInitialised, want: []string{"tentacle init"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := *r
			r.t, r.in = t, strings.NewReader(c.stdin)
			exit, _, stderr := r.call(append([]string{"certificate"}, c.args...)...)
			if exit != c.exit {
				t.Errorf("exit code %d, want %d", exit, c.exit)
			}
			contains(t, stderr, c.want...)
		})
	}
	if after := r.show().SHA256; after != before {
		t.Errorf("a failed command changed the identity")
	}
}

func TestALostKeyIsMendedByImportingOrByANewOne(t *testing.T) {
	r := newRig(t)
	r.must("init")
	want := r.show().SHA256
	r.must("certificate", "export", r.beside("backup.pem"))
	h, err := home.Open(r.home)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, h.Key(), "damaged")
	_, _, stderr := r.call("show")
	contains(t, stderr, "certificate import", "certificate new")
	r.must("certificate", "import", r.beside("backup.pem"))
	if s := r.show(); s.SHA256 != want {
		t.Errorf("it is %s", s.SHA256)
	}
	overwrite(t, h.Key(), "damaged")
	r.must("certificate", "new")
	r.show()
	if err := os.Remove(h.Key()); err != nil {
		t.Fatal(err)
	}
	_, _, stderr = r.call("show")
	contains(t, stderr, "certificate import", "certificate new")
	r.must("certificate", "new")
	r.show()
}

func TestTheDaemonIsToldOfANewIdentity(t *testing.T) {
	r := newRig(t)
	r.must("init")
	h, err := home.Open(r.home)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := h.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release() //nolint:errcheck // the test is over
	contains(t, r.must("certificate", "new"), "until it is started again")
	p, err := identity.New(false)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := p.PEM()
	if err != nil {
		t.Fatal(err)
	}
	contains(t, r.must("certificate", "import", r.file("x.pem", string(certificate)+string(key))), "until it is started again")
}
