//go:build linux

package e2e

import (
	"archive/tar"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// apart says to this test binary that it runs in a network of its own.
const apart = "MANTLE_E2E_NETWORK"

// The two machines of the test's network.
const (
	operatorHost = "10.99.0.1"
	tentacleHost = "10.99.0.2"
)

// TestTheTentacleNeverDials captures everything that crosses a machine's network around a whole deployment: not one
// connection is begun by the Tentacle's side, and nothing but TCP leaves it. The operator, its API server and the
// Tentacle are in two network namespaces that the test makes; the capture is seen to notice a connection at the end.
func TestTheTentacleNeverDials(t *testing.T) {
	if os.Getenv(apart) == "" {
		inNetworkOfItsOwn(t)
		return
	}
	pid := secondMachine(t)
	w := newWorld(t)
	w.machine, w.listen = []string{"nsenter", "--net=/proc/" + pid + "/ns/net", "--"}, tentacleHost+":10933"
	seen := capture(t, pid)
	w.tentacle("web-1")
	pack(t, filepath.Join(w.packages, "app-1.0.0.tar.gz"))
	w.script("1.0.0", "cat \"$TentacleHome\"/Applications/*/*/*/app/current/hello.txt", func(p *v1alpha1.Project) {
		p.Spec.Packages = []v1alpha1.ProjectPackage{{Name: "app", URL: "file://" + w.packages + "/app-{version}.tar.gz"}}
		p.Spec.Steps = append([]v1alpha1.Step{{Name: "install", StepModifiers: v1alpha1.StepModifiers{Deploy: &v1alpha1.DeployStep{Package: "app"}}}}, p.Spec.Steps...)
	})
	w.bind("1.0.0")
	run := w.ended(60 * time.Second)
	if run.Status.Phase != v1alpha1.RunSucceeded || !strings.Contains(w.output(run.Name, "web-1"), "hello") {
		t.Fatalf("the run ended as %s: %+v\n%s", run.Status.Phase, run.Status.Failures, w.output(run.Name, "web-1"))
	}
	w.tentacles[0].signal(syscall.SIGTERM)
	began, other := seen()
	t.Logf("connections begun: %v; other packets from the Tentacle's side: %v", began, other)
	if began[operatorHost] == 0 {
		t.Error("the capture saw no connection of the operator")
	}
	if began[tentacleHost] > 0 || len(other) > 0 {
		t.Errorf("the Tentacle's side began %d connections and sent %v", began[tentacleHost], other)
	}
	dial := exec.CommandContext(t.Context(), w.machine[0], append(w.machine[1:], "bash", "-c", "exec 3<>/dev/tcp/"+operatorHost+"/9")...)
	_ = dial.Run() // refused, but begun
	w.eventually("the capture sees a connection that is begun there", 10*time.Second, func() (bool, string) {
		began, _ := seen()
		return began[tentacleHost] > 0, fmt.Sprint(began)
	})
}

// inNetworkOfItsOwn runs the same test in a process that has its own network namespace.
func inNetworkOfItsOwn(t *testing.T) {
	t.Helper()
	for _, program := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("a network of its own needs %s: %v", program, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), apart+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this user may not make network namespaces; root may")
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip("as said")
	}
}

// secondMachine makes a second network namespace, joins it to this one, and returns the id of a process in it.
func secondMachine(t *testing.T) string {
	t.Helper()
	holder := exec.CommandContext(t.Context(), "sleep", "600")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := holder.Start(); err != nil {
		t.Skipf("making a second network: %v", err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	pid := strconv.Itoa(holder.Process.Pid)
	there := "nsenter --net=/proc/" + pid + "/ns/net -- "
	for _, line := range []string{
		"ip link set lo up",
		"ip link add mantle-a type veth peer name mantle-b netns " + pid,
		"ip addr add " + operatorHost + "/24 dev mantle-a", "ip link set mantle-a up",
		there + "ip addr add " + tentacleHost + "/24 dev mantle-b", there + "ip link set mantle-b up", there + "ip link set lo up",
	} {
		words := strings.Fields(line)
		if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", line, err, out)
		}
	}
	return pid
}

// capture reads every packet of the network of process pid, until the test ends. What it returns tells who has begun how
// many TCP connections so far, and what else has left the Tentacle's address.
func capture(t *testing.T, pid string) func() (began map[string]int, other []string) {
	t.Helper()
	socket, err := packets(pid)
	if err != nil {
		t.Skipf("capturing packets: %v", err)
	}
	var mu sync.Mutex
	began, other := map[string]int{}, []string(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		frame := make([]byte, 1<<16)
		for {
			n, _, err := unix.Recvfrom(socket, frame, 0)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return
			}
			source, syn, strange := classify(frame[:n])
			mu.Lock()
			if syn {
				began[source]++
			}
			if strange != "" && source == tentacleHost {
				other = append(other, strange)
			}
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = unix.Shutdown(socket, unix.SHUT_RDWR)
		_ = unix.Close(socket)
	})
	return func() (map[string]int, []string) {
		mu.Lock()
		defer mu.Unlock()
		counted := map[string]int{}
		for k, v := range began {
			counted[k] = v
		}
		return counted, append([]string(nil), other...)
	}
}

// packets opens a socket that receives all that crosses the network of process pid.
func packets(pid string) (socket int, err error) {
	opened := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		network, err := unix.Open("/proc/"+pid+"/ns/net", unix.O_RDONLY, 0)
		if err == nil {
			err = unix.Setns(network, unix.CLONE_NEWNET)
		}
		if err == nil {
			const everything = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in the network's byte order
			socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything)
		}
		if err == nil {
			err = unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
		}
		opened <- err
	}()
	return socket, <-opened
}

// classify tells of an Ethernet frame whose it is, whether it begins a TCP connection, and what it is if it is neither TCP
// nor of the kind by which a kernel finds its neighbours.
func classify(frame []byte) (source string, syn bool, strange string) {
	const ethernet, ipv4 = 14, 20
	if len(frame) < ethernet+ipv4 {
		return "", false, ""
	}
	kind, packet := binary.BigEndian.Uint16(frame[12:]), frame[ethernet:]
	if kind != unix.ETH_P_IP {
		return "", false, "" // ARP, and IPv6's neighbour discovery: no IPv6 address is given to anybody
	}
	address, _ := netip.AddrFromSlice(packet[12:16])
	header := int(packet[0]&0x0f) * 4
	if packet[9] != unix.IPPROTO_TCP {
		return address.String(), false, fmt.Sprintf("IP protocol %d", packet[9])
	}
	if len(packet) < header+14 {
		return address.String(), false, "a TCP fragment"
	}
	const synFlag, ackFlag = 0x02, 0x10
	return address.String(), packet[header+13]&(synFlag|ackFlag) == synFlag, ""
}

// pack writes a package of one file.
func pack(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(f)
	archive := tar.NewWriter(zipped)
	err = archive.WriteHeader(&tar.Header{Name: "hello.txt", Mode: 0o644, Size: 6, Typeflag: tar.TypeReg})
	_, werr := archive.Write([]byte("hello\n"))
	if err = errors.Join(err, werr, archive.Close(), zipped.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
