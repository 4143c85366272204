package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// asRoot skips a test of what only root can do.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this test starts processes as other users, for which it has to run as root")
	}
}

// folderAs makes the folder of a ticket whose script runs as user, in a working folder of that user.
func folderAs(t *testing.T, user, body string) string {
	t.Helper()
	dir := folder(t, body)
	a, err := LookupAccount(user)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	open(t, work)
	if err := os.Chown(work, int(a.UID), int(a.GID)); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Path: "/bin/bash", Args: []string{"-c", body}, Dir: work, User: user, Grace: time.Second, Abandon: 20 * time.Second, Drain: 10 * time.Second}
	rewrite(t, dir, spec)
	return dir
}

// open lets others into a folder of the test, which are made for its user alone.
func open(t *testing.T, dir string) {
	t.Helper()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func text(t *testing.T, dir string) string {
	t.Helper()
	reader := output.NewReader(dir, 0)
	entries, _, err := reader.Read(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.Text)
	}
	return strings.Join(lines, "\n")
}

func TestAScriptRunsAsItsUserWithNothingOfTheDaemons(t *testing.T) {
	asRoot(t)
	dir := folderAs(t, "nobody", `id -u; id -G; grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status
		echo "$HOME $USER $LOGNAME"; echo said > /dev/stderr; touch mine && stat -c %U mine; ls `+"\"$TICKET\""+` 2>&1`)
	t.Setenv("TICKET", dir)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // only the ticket's own mode keeps others out
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	end(t, launch(t, dir))
	sight := look(t, dir)
	got := text(t, dir)
	for _, want := range []string{
		"65534\n65534\n", "CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n",
		"CapAmb:\t0000000000000000\n", "NoNewPrivs:\t0\n", "/nonexistent nobody nobody\n", "said\n", "nobody\n", "Permission denied",
	} {
		if !strings.Contains(got+"\n", want) {
			t.Errorf("%q is not in the output:\n%s", want, got)
		}
	}
	if sight.State != Finished || sight.Result.ExitCode == 0 {
		t.Errorf("%+v", sight)
	}
}

// The daemon's user may be another than root, with these three capabilities and no more. They must be
// enough for all that it does with processes of others, and none of them must reach a script.
func TestThreeCapabilitiesAreEnoughAndStayWithTheDaemon(t *testing.T) {
	asRoot(t)
	dir := folderAs(t, "nobody", `id -u; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status; trap '' TERM; touch began; while :; do sleep 0.1; done`)
	open(t, filepath.Dir(dir))
	if out, err := exec.CommandContext(t.Context(), "chown", "-R", "daemon:daemon", dir, TicketFile(dir)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program := filepath.Join(t.TempDir(), "supervisor")
	open(t, filepath.Dir(program))
	copyProgram(t, program)
	caps := "+setuid,+setgid,+kill"
	supervisor, err := Launch([]string{"setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", "--bounding-set=-all," + caps,
		"--inh-caps=-all," + caps, "--ambient-caps=-all," + caps, program, "supervise"}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the script begins", func() bool { return strings.Contains(text(t, dir), "CapAmb") })
	got := text(t, dir)
	if !strings.HasPrefix(got, "65534\n") || strings.Count(got, "\t0000000000000000") != 4 {
		t.Errorf("%s", got)
	}
	if err := Mark(dir, CancelFile); err != nil {
		t.Fatal(err)
	}
	if err := Wake(dir); err != nil {
		t.Fatal(err)
	}
	end(t, supervisor)
	if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != tentacle.ExitCanceled {
		t.Errorf("%+v", sight)
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil { // #nosec G306 -- a program
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func TestTheProcessesThatADeadSupervisorLeftToAnotherUserAreEnded(t *testing.T) {
	asRoot(t)
	dir := folderAs(t, "nobody", `sleep 300 & touch began; wait`)
	supervisor := launch(t, dir)
	began := func() bool {
		var command struct{ Process Spec }
		_, err := ReadCommand(dir, &command)
		return err == nil && Marked(command.Process.Dir, "began")
	}
	until(t, "the script begins", began)
	started, err := readStarted(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(started.Process, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	end(t, supervisor)
	found, left := EndSession(*started, 10*time.Second)
	if len(found) < 2 || len(left) > 0 {
		t.Errorf("found %v, left %v", found, left)
	}
}

func TestAScriptOfAUserThatIsGoneIsNotStarted(t *testing.T) {
	dir := folder(t, "echo ran")
	spec := Spec{Path: "/bin/bash", Args: []string{"-c", "echo ran"}, Dir: dir, User: "no-such-user", Drain: time.Second}
	rewrite(t, dir, spec)
	end(t, launch(t, dir))
	sight := look(t, dir)
	if sight.State != Finished || sight.Result.ExitCode != tentacle.ExitLaunchFailed {
		t.Fatalf("%+v", sight)
	}
	for _, want := range []string{"scripts run as no-such-user", "scriptUser", "there is no such account"} {
		if !strings.Contains(sight.Result.Line, want) {
			t.Errorf("%q is not in %q", want, sight.Result.Line)
		}
	}
	if strings.Contains(text(t, dir), "ran") {
		t.Error("it ran all the same")
	}
}

func TestAnAccountIsWhatTheSystemSays(t *testing.T) {
	notFound := fmt.Errorf("asking: %w", exec.ErrNotFound)
	answers := func(passwd, groups string, err error) func(string, ...string) (string, error) {
		return func(program string, _ ...string) (string, error) {
			if program == "getent" {
				return passwd, nil
			}
			return groups, err
		}
	}
	for name, c := range map[string]struct {
		ask  func(string, ...string) (string, error)
		want account.Account
	}{
		"a directory's": {answers("app:*:2000001:2000:App:/home/app:/bin/sh\n", "2000 27 100\n", nil),
			account.Account{Name: "nobody", UID: 2000001, GID: 2000, Groups: []uint32{2000, 27, 100}, Home: "/home/app", Shell: "/bin/sh"}},
		"without programs": {func(string, ...string) (string, error) { return "", notFound },
			account.Account{Name: "nobody", UID: 65534, GID: 65534, Groups: []uint32{65534}, Home: "/nonexistent"}},
		"without id": {answers("nobody:x:65534:65534::/:/bin/false", "", notFound),
			account.Account{Name: "nobody", UID: 65534, GID: 65534, Groups: []uint32{65534}, Home: "/", Shell: "/bin/false"}},
	} {
		got, err := lookup("nobody", c.ask)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.UID != c.want.UID || got.GID != c.want.GID || !slices.Equal(got.Groups, c.want.Groups) || got.Home != c.want.Home || got.Shell != c.want.Shell {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	for name, ask := range map[string]func(string, ...string) (string, error){
		"too few fields":  answers("app:x:1", "1", nil),
		"no number":       answers("app:x:root:0::/:", "0", nil),
		"the wildcard":    answers("app:x:4294967295:0::/:", "0", nil),
		"group no number": answers("app:x:1:1::/:", "1 wheel", nil),
	} {
		if got, err := lookup("app", ask); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}
