//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
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

// actAsHandshakes makes this test binary strangers who begin handshakes; its value is the daemon's address, a rate and a time.
const actAsHandshakes = "TENTACLE_TEST_ACTS_AS_HANDSHAKES"

// handshakesVariable says how many handshakes a second strangers begin and for how long, one flood after the other:
// hack/flood.sh has it.
const handshakesVariable = "TENTACLE_TEST_HANDSHAKES"

const (
	handshakesAtOnce    = 256
	handshakeAddresses  = 500 // 127.0.60.1 and on
	operatorGetsInAfter = 15 * time.Second
)

// handshakeFlood is a rate, in connections a second, and a time.
type handshakeFlood struct {
	rate int
	time time.Duration
}

func (f handshakeFlood) String() string { return fmt.Sprintf("%dx%s", f.rate, f.time) }

func parseFlood(text string) (f handshakeFlood, err error) {
	rate, last, _ := strings.Cut(text, "x")
	if f.rate, err = strconv.Atoi(rate); err == nil {
		f.time, err = time.ParseDuration(last)
	}
	if err != nil || f.rate < 1 || f.time <= 0 {
		return f, fmt.Errorf("%q is no rate and time; write for example 4000x15s", text)
	}
	return f, nil
}

// firstFlight is what a client says first.
func firstFlight() []byte {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() { _ = tls.Client(ours, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	hello := make([]byte, 16<<10)
	n, _ := theirs.Read(hello)
	return hello[:n]
}

// shake begins handshakes and goes away at once, and says how many there were.
func shake(what string) int {
	address, text, _ := strings.Cut(what, " ")
	f, err := parseFlood(text)
	to, resolving := net.ResolveTCPAddr("tcp", address)
	if err = cmp.Or(err, resolving); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	hello, begun := firstFlight(), time.Now()
	var opened, next atomic.Int64
	var all sync.WaitGroup
	fmt.Println("begun")
	for range handshakesAtOnce {
		all.Go(func() {
			for {
				n := next.Add(1)
				due := begun.Add(time.Duration(n) * time.Second / time.Duration(f.rate))
				if due.Sub(begun) > f.time || time.Since(begun) > f.time {
					return
				}
				time.Sleep(time.Until(due))
				if sayHello(to, int(n%handshakeAddresses), hello) == nil {
					opened.Add(1)
				}
			}
		})
	}
	all.Wait()
	fmt.Println(opened.Load(), time.Since(begun))
	return 0
}

// sayHello is one connection, made with as little work as can be: the other machines' work is not to be this machine's.
func sayHello(to *net.TCPAddr, address int, hello []byte) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd) //nolint:errcheck // at once, whatever is on its way
	patience := syscall.Timeval{Sec: 3}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &patience)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, byte(60 + address/250), byte(1 + address%250)}}); err != nil {
		return err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
		return err
	}
	_, err = syscall.Write(fd, hello)
	return err
}

// TestTheOperatorGetsInThroughAFloodOfHandshakes has strangers of 500 addresses begin handshakes with a machine whose key is RSA
// and go away at once. An operator that was never there before gets in, and the daemon's memory stays bounded.
func TestTheOperatorGetsInThroughAFloodOfHandshakes(t *testing.T) {
	for text := range strings.SplitSeq(cmp.Or(os.Getenv(handshakesVariable), "400x3s"), ",") {
		f, err := parseFlood(text)
		if err != nil {
			t.Fatalf("%s: %v", handshakesVariable, err)
		}
		t.Run(text, func(t *testing.T) { floodOfHandshakes(t, f) })
	}
}

func floodOfHandshakes(t *testing.T, f handshakeFlood) {
	home := filepath.Join(t.TempDir(), "home")
	certificate, thumbprint := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, thumbprint)
	output(t, "certificate", "new", "--rsa", "--home", home)
	e.Thumbprint = thumbprintOf(t, output(t, "show", "--json", "--home", home))
	run := command(context.Background(), "run", "--home", home)
	built := shipped(run)
	p := launch(t, run, home+".log", e)
	pid := p.cmd.Process.Pid
	before := memory(t, pid, "VmRSS")

	crowd := command(t.Context())
	crowd.Env = append(os.Environ(), actAsHandshakes+"="+e.Address+" "+f.String())
	crowd.Stderr = os.Stderr
	said, err := crowd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crowd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, over := bufio.NewScanner(said), make(chan string, 1)
	lines.Scan() // it has begun
	go func() {
		lines.Scan()
		over <- lines.Text()
		_ = crowd.Wait()
	}()
	var took []time.Duration
	var end string
	for end == "" {
		took = append(took, getIn(t, e, certificate, 1+len(took)))
		select {
		case end = <-over:
		case <-time.After(200 * time.Millisecond): // the next attempt
		}
	}
	var opened int
	var last string
	if _, err := fmt.Sscan(end, &opened, &last); err != nil {
		t.Fatalf("the strangers say %q: %v", end, err)
	}
	lasted, err := time.ParseDuration(last)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(took)
	t.Logf("FloodedDaemon %s: %d connections in %.1f s (%.0f a second); the operator got in %d times, in %s at the median and %s at most; memory of the daemon %d KiB before, %d KiB at its peak, %d KiB after",
		f, opened, lasted.Seconds(), float64(opened)/lasted.Seconds(), len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond),
		before, memory(t, pid, "VmHWM"), memory(t, pid, "VmRSS"))
	if opened == 0 {
		t.Error("there was no flood")
	}
	if cost := (memory(t, pid, "VmHWM") - before) << 10; built && cost > strangersMayCost {
		t.Errorf("strangers cost the daemon %d MB", cost>>20)
	}
}

// getIn returns how long it takes an operator from an address of its own to get an answer.
func getIn(t *testing.T, e halibut.Endpoint, certificate tls.Certificate, n int) time.Duration {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(1+n%250))}}
	client := halibut.NewClient(halibut.ClientConfig{Certificate: certificate, SpoolDir: t.TempDir(), DialContext: d.DialContext})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), operatorGetsInAfter)
	defer cancel()
	begun := time.Now()
	if _, err := tentacle.NewClient(client, e).GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: ticket("unknown")}); err != nil {
		t.Errorf("the operator's attempt %d, after %s: %v", n, time.Since(begun).Round(time.Millisecond), err)
	}
	return time.Since(begun)
}
