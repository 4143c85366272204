//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// actAsStrangers makes this test binary many machines that the daemon does not know; its value is the daemon's address.
const actAsStrangers = "TENTACLE_TEST_FLOODS"

const (
	strangers            = 50  // addresses, 127.0.1.1 and on
	connectionsEach      = 200 // so 10,000 in all
	strangerPause        = 40 * time.Millisecond
	operatorConnections  = 20
	unauthorised         = 256 // the daemon's own bound
	strangersMayCost     = 64 << 20
	latencyAllowance     = 50 * time.Millisecond
	latencyFactor        = 2
	operatorAddress      = "127.0.2.51"
	strangersKnockBefore = 2 * unauthorised
)

// flood opens the strangers' connections: a third say nothing, a third say nothing after TLS, and a third say the first
// request a letter at a time, without end. It says when the daemon must be full, and at the end how many there were. They
// keep coming until they have been as many as there should be, and its input has a byte.
func flood(address string) int {
	var opened atomic.Int64
	var enough atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = os.Stdin.Read(make([]byte, 1))
		enough.Store(true)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	var all sync.WaitGroup
	for i := range strangers {
		all.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}, Timeout: 10 * time.Second}
			for kind := 0; kind < connectionsEach || !enough.Load(); kind++ {
				c, err := d.Dial("tcp", address)
				if err == nil {
					go knock(c, kind%3)
				}
				if n := opened.Add(1); n == strangersKnockBefore {
					fmt.Println("full")
				}
				time.Sleep(strangerPause)
			}
		})
	}
	all.Wait()
	fmt.Println(opened.Load())
	<-ended
	return 0
}

func knock(c net.Conn, kind int) {
	defer c.Close()
	if kind > 0 {
		secured := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		if secured.Handshake() != nil {
			return
		}
		c = secured
	}
	for _, letter := range []byte(strings.Repeat("MX", 500)) {
		if kind == 2 {
			if _, err := c.Write([]byte{letter}); err != nil {
				return
			}
			time.Sleep(500 * time.Millisecond)
			continue
		}
		_, _ = io.Copy(io.Discard, c) // until the daemon closes it
		return
	}
}

// TestAFloodOfStrangersLeavesRoomForTheOperator has 10,000 connections that never authorise come from 50 addresses. The
// daemon's memory stays bounded, and an operator from another address is served about as fast as on a quiet day.
func TestAFloodOfStrangersLeavesRoomForTheOperator(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	certificate, thumbprint := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, thumbprint)
	run := command(context.Background(), "run", "--home", home)
	built := shipped(run)
	p := launch(t, run, home+".log", e)
	calm := callsOnNewConnections(t, e, certificate)
	before := residentPeak(t, p.cmd.Process.Pid)

	crowd := command(t.Context())
	crowd.Env = append(os.Environ(), actAsStrangers+"="+e.Address)
	said, err := crowd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	hold, err := crowd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crowd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Close(); _ = crowd.Wait() }()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, crowd.Process.Pid, 19) // they are other machines: their work is not ours
	lines := bufio.NewScanner(said)
	if !lines.Scan() || lines.Text() != "full" {
		t.Fatalf("the strangers say %q, %v", lines.Text(), lines.Err())
	}
	crowded := callsOnNewConnections(t, e, certificate)
	if _, err := hold.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	lines.Scan()
	n := lines.Text()
	calm = max(calm, callsOnNewConnections(t, e, certificate)) // the machine may have less to spare by now
	peak := residentPeak(t, p.cmd.Process.Pid)
	t.Logf("%s connections from %d addresses: GetStatus on a new connection %s at the median, %s when quiet; the daemon's resident memory %.1f MB at its peak, %.1f MB before",
		n, strangers, crowded, calm, float64(peak)/(1<<20), float64(before)/(1<<20))
	if opened, err := strconv.Atoi(n); err != nil || opened < strangers*connectionsEach {
		t.Errorf("the strangers opened %q connections, %v", n, err)
	}
	if limit := latencyFactor*calm + latencyAllowance; crowded > limit {
		t.Errorf("the operator waits %s, which is more than %s", crowded, limit)
	}
	if built && peak-before > strangersMayCost {
		t.Errorf("strangers cost the daemon %d MB", (peak-before)>>20)
	}
}

// callsOnNewConnections is the median time of a GetStatus by an operator that connects anew each time.
func callsOnNewConnections(t *testing.T, e halibut.Endpoint, certificate tls.Certificate) time.Duration {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(operatorAddress)}}
	took := make([]time.Duration, operatorConnections)
	for i := range took {
		client := halibut.NewClient(halibut.ClientConfig{Certificate: certificate, SpoolDir: t.TempDir(), DialContext: d.DialContext})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		begun := time.Now()
		_, err := tentacle.NewClient(client, e).GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: ticket("unknown")})
		took[i] = time.Since(begun)
		cancel()
		client.Close()
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// residentPeak is the most memory that a process has held, in bytes.
func residentPeak(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
