package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/identity"
)

// machine is one with a new home.
func machine(t *testing.T) Machine {
	t.Helper()
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := identity.New(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Replace(h, p); err != nil {
		t.Fatal(err)
	}
	id, err := daemon.LoadIdentity(h)
	if err != nil {
		t.Fatal(err)
	}
	return Machine{Home: h, Settings: config.Default(), Identity: id, Now: time.Now(), At: " --home X", Root: t.TempDir()}
}

// one is the gravest of findings.
func one(t *testing.T, all []Finding) Finding {
	t.Helper()
	if len(all) == 0 {
		t.Fatal("a check says nothing")
	}
	for _, s := range []State{Fail, Warn} {
		for _, f := range all {
			if f.State == s {
				return f
			}
		}
	}
	return all[0]
}

func want(t *testing.T, f Finding, s State, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(f.Text+" "+f.Remedy, text) {
			t.Errorf("it does not say %q: %+v", text, f)
		}
	}
	if f.State != s {
		t.Errorf("%+v; want %s", f, s)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFindingThatIsNotWellHasARemedy(t *testing.T) {
	names := map[string]bool{}
	for _, f := range Examine(t.Context(), machine(t)) {
		names[f.Check] = true
		if f.Check == "" || f.Text == "" || (f.State != OK) != (f.Remedy != "") {
			t.Errorf("%+v", f)
		}
	}
	if len(names) != len(Checks()) {
		t.Errorf("%d of %d checks say something", len(names), len(Checks()))
	}
}

func TestTheStateOfAHomeIsJudged(t *testing.T) {
	ctx := t.Context()
	m := machine(t)
	want(t, one(t, lookAtIdentity(ctx, m)), OK, string(m.Identity.SHA256), string(m.Identity.SHA1))
	want(t, one(t, lookAtTrust(ctx, m)), Fail, "tentacle trust add THUMBPRINT --home X")
	write(t, m.Home.Trust(), "{")
	want(t, one(t, lookAtTrust(ctx, m)), Fail, "backup")
	want(t, one(t, lookAtPolicy(ctx, m)), OK, "none")
	want(t, one(t, lookAtLocks(ctx, m)), OK)
	write(t, m.Home.State("daemon"), "4711\n")
	want(t, one(t, lookAtLocks(ctx, m)), Warn, "4711", "killed")
	want(t, one(t, lookAtDaemon(ctx, m)), Fail, "tentacle run --home X")
	write(t, m.Home.Key(), "damaged")
	want(t, one(t, lookAtIdentity(ctx, m)), Fail, "tentacle certificate import FILE --home X")
	if runtime.GOOS == "windows" {
		return
	}
	want(t, one(t, lookAtHome(ctx, m)), OK)
	if err := os.Chmod(m.Home.Key(), 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, one(t, lookAtHome(ctx, m)), Warn, "key.pem", "0644", "chmod 0600")
	if err := os.Chmod(m.Home.Dir(), 0o777); err != nil {
		t.Fatal(err)
	}
	want(t, one(t, lookAtHome(ctx, m)), Fail, "chmod go-w "+m.Home.Dir())
}

func TestWhoHoldsThePortIsFoundWithoutConnecting(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system has no list of sockets to read")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	m := machine(t)
	m.Root, m.Settings.Listen = "/", l.Addr().String()
	m.Running, m.PID = true, os.Getpid()
	want(t, one(t, lookAtPort(t.Context(), m)), OK, l.Addr().String())
	m.PID = 1
	want(t, one(t, lookAtPort(t.Context(), m)), Fail, fmt.Sprintf("(process %d)", os.Getpid()), "end that program")
	m.Running = false
	want(t, one(t, lookAtPort(t.Context(), m)), Fail, "could not open it")
	_ = l.Close()
	want(t, one(t, lookAtPort(t.Context(), m)), Fail, "nothing listens", "tentacle run --home X")
	m.Running = true
	want(t, one(t, lookAtPort(t.Context(), m)), Fail, "start the daemon again")
	m.Settings.Listen = "192.0.2.1:10933" // of documentation, nobody's
	want(t, one(t, lookAtPort(t.Context(), m)), Fail, "192.0.2.1:10933, is none of this machine's", "':10933' for all")
}

func TestOnlySocketsThatListenOnThePortCount(t *testing.T) {
	m := machine(t)
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	write(t, filepath.Join(m.Root, "proc/net/tcp"), head+
		"   0: 0100007F:2AB5 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n"+ // a connection
		"   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1\n"+ // another port
		"   cut off\n")
	if holders, err := procHolders(m.Root, 10933); err != nil || holders != nil {
		t.Errorf("%v, %v", holders, err)
	}
	write(t, filepath.Join(m.Root, "proc/net/tcp6"), head+
		"   0: 00000000000000000000000000000000:2AB5 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1\n")
	holders, err := procHolders(m.Root, 10933)
	if err != nil || len(holders) != 1 || holders[0].pid != 0 {
		t.Errorf("of a process that cannot be seen: %v, %v", holders, err)
	}
	m.Running, m.PID = true, 5
	want(t, one(t, judgePort(m, holders)), OK)
}

func TestAClockThatIsWrongIsNoticed(t *testing.T) {
	m := machine(t)
	m.Now = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	want(t, one(t, lookAtClock(t.Context(), m)), Fail, "before the machine's certificate", "chrony")
	m.Now = time.Now()
	write(t, filepath.Join(m.Root, "sys/class/rtc/rtc0/since_epoch"), fmt.Sprintln(m.Now.Add(2*time.Hour).Unix()))
	want(t, one(t, lookAtClock(t.Context(), m)), Warn, "hardware's clock")
}

func TestTheAddressForOperatorsIsJudged(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.5")}
	for text, c := range map[string]struct {
		state State
		says  string
	}{
		"10.0.0.5":  {OK, "this machine"},
		"127.0.1.1": {Warn, "loopback"},
		"192.0.2.9": {Warn, "192.0.2.9"},
	} {
		want(t, one(t, judgeAddress("web-1:10933", []netip.Addr{netip.MustParseAddr(text)}, own, "set 'address'")), c.state, c.says)
	}
}
