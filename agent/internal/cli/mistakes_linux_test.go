package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mistakes are wrong calls, one a line. In each of them HOME is a Tentacle's home and DIR a folder with the files
// text, folder/x, policy.yaml, own.crt (that of HOME) and other.key (of another machine).
const mistakes = `deploy
help deploy
--home
show extra
show --json --manifest
show --json=maybe
show --home DIR/none
version --short
init --trust zzz
init --trust 36:F3:50
init --trust sha256:36F3
init --listen here
init --listen host.example:10933
init --page maybe
init --address :10933
init --rsa
init --home /proc/none
run --port 10933
run --listen 192.0.2.1:10933
run --listen ::1:10933
run --listen 127.0.0.1:99999
run --log-level loud
run --log-format xml
run --script-user no-such-account
run --script-user no!account
trust list extra
trust add
trust add 36F35047CE8B000CF4C671819A2DD1AFCDE340
trust remove 36F35047CE8B000CF4C671819A2DD1AFCDE3403D
trust approve 7
trust approve alice
trust allow
policy check
policy check DIR/none.yaml
policy check DIR/folder
policy check DIR/policy.yaml
policy show
certificate renew
certificate new --rsa=2048
certificate import
certificate import DIR/none.pfx
certificate import DIR/text
certificate import DIR/folder
certificate import DIR/text --key DIR/none.key
certificate import DIR/text --password-file DIR/none
certificate import DIR/own.crt
certificate import DIR/own.crt --key DIR/other.key
certificate import DIR/other.key
certificate export DIR/out
certificate export DIR/out.pfx
certificate export DIR/out.pem --format jks
certificate export DIR/out.pem --legacy
certificate export DIR/none/out.pem
certificate export DIR/text --format pem
import DIR/text
import
import --octopus DIR/none.config
import --octopus DIR/text
import --octopus DIR/folder
firewall
firewall --from host.example
firewall --from 10.0.0.1/24
firewall --from 10.0.0.0/24 --format pf
firewall 10.0.0.0/24
service restart
service install --user root --replace
service stop --script
scripts list
scripts logs
scripts logs ../../key.pem
audit show
audit -n -1
audit -n few
audit verify --head 4711
doctor --verbose
step
supervise --home HOME`

// What the program answers to mistakes is read as text in review, too. Run the test with -update to write it anew.
func TestAnswersToMistakesAreWhatIsInTestdata(t *testing.T) {
	r := newRig(t)
	r.must("init", "--listen", "127.0.0.1:10933")
	dir := r.beside("files")
	for name, content := range map[string]string{"text": "hello", "folder/x": "", "policy.yaml": "operators: {alice: {maxScript: 1}, \"*\": {users: [], hours: {}}}\n"} {
		overwriteText(t, filepath.Join(dir, name), content)
	}
	r.must("certificate", "export", filepath.Join(dir, "own.crt"), "--without-key")
	other := newRig(t)
	other.must("init")
	key, err := os.ReadFile(filepath.Join(other.home, ".tentacle", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(dir, "other.key"), string(key))
	names := strings.NewReplacer("HOME", r.home, "DIR", dir)
	places := strings.NewReplacer(r.home, "HOME", dir, "DIR")
	var b strings.Builder
	for call := range strings.Lines(mistakes) {
		args := strings.Fields(names.Replace(call))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // none of them is to serve
		exit, _, stderr := r.callWithin(ctx, args...)
		cancel()
		fmt.Fprintf(&b, "$ tentacle %s\n[%d] %s\n", strings.TrimSpace(call), exit, places.Replace(stderr))
		if exit == ExitOK || strings.Count(stderr, "\n") == 0 {
			t.Errorf("%v: exit code %d: %s", args, exit, stderr)
		}
		for _, raw := range []string{"strconv", " yaml: ", "open /", "mkdir /", "unmarshal"} {
			if strings.Contains(stderr, raw) && exit != ExitFailed {
				t.Errorf("%v: %q is no word for an administrator: %s", args, raw, stderr)
			}
		}
	}
	path := filepath.Join("testdata", "mistakes.txt")
	if *update {
		overwriteText(t, path, b.String())
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != b.String() {
		t.Errorf("the answers are not those of %s (%v); if they are meant: go test ./agent/internal/cli -run Mistakes -update\n%s", path, err, b.String())
	}
}
