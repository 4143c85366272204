//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// tenantsVariable lengthens the attack, as in MANTLE_TENANTS=10m.
const tenantsVariable = "MANTLE_TENANTS"

// The bounds of the attack. maxMemory is what the chart gives the operator. The machine of the test runs the API server, the
// attacker and its machines, too: what they take from a deployment counts as well.
const (
	maxFactor = 2
	maxMemory = 1 << 30
)

// TestNoTenantSlowsAnother deploys a release to one machine again and again, first alone, and then while another tenant does
// the worst that an administrator of a namespace can: every deployment succeeds, and the operator lives. It takes at most
// twice the time, too; that is only judged where MANTLE_TENANTS asks for it, as beside other tests it says nothing.
func TestNoTenantSlowsAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("the attack goes on for half a minute")
	}
	attack, scale := 25*time.Second, 1
	if given := os.Getenv(tenantsVariable); given != "" {
		var err error
		if attack, err = time.ParseDuration(given); err != nil {
			t.Fatalf("%s: %v", tenantsVariable, err)
		}
		scale = 10
	}
	w := newWorld(t)
	h := newHostile(w, scale)
	w.operator.signal(15)
	w.args = append(w.args, "--namespaces", "", "--package-allow-cidr", "127.0.0.0/8", "--lease-duration", "15s") // one cache for everybody, as it is installed
	w.environment = append(w.environment, "SSL_CERT_FILE="+h.authority)
	w.startOperator()
	w.tentacle("web-1")
	w.script("1.0.0", "true")
	w.create(&v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "shop-1.0.1"}, Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: "1.0.1"}})
	w.bind("1.0.0")
	w.ready("1.0.0", time.Minute)

	written := w.writes()
	quiet := w.deploy(attack/3, nil)
	t.Logf("quiet: %s; %d MiB; of the API server alone: %s", quiet, w.memory()>>20, written())
	stop := h.attack()
	written = w.writes()
	attacked := w.deploy(attack, func(n int, took time.Duration) {
		if scale > 1 && n%20 == 0 {
			t.Logf("deployment %d: %s; %d MiB; %s", n, took.Round(time.Millisecond), w.memory()>>20, h.told())
		}
	})
	t.Logf("under attack: %s; %d MiB at most; of the API server alone: %s; %s", attacked, w.peak()>>20, written(), h.told())
	stop()
	if m, q := attacked.median(), quiet.median(); scale > 1 && m > maxFactor*q {
		t.Errorf("a deployment takes %s under attack, and %s without", m, q)
	}
	if peak := w.peak(); peak > maxMemory {
		t.Errorf("the operator took %d MiB", peak>>20)
	}
	select {
	case <-w.operator.done:
		t.Errorf("the operator ended\n%s", w.tail())
	default:
	}
}

// times are how long deployments took.
type times []time.Duration

func (all times) median() time.Duration { return all.at(0.5) }

func (all times) at(part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(part*float64(len(sorted)-1))]
}

func (all times) String() string {
	return fmt.Sprintf("%d deployments, median %s, 9 of 10 within %s, worst %s", len(all), all.median().Round(time.Millisecond),
		all.at(0.9).Round(time.Millisecond), all.at(1).Round(time.Millisecond))
}

// deploy goes from one release to the other and back until the time is over.
func (w *world) deploy(during time.Duration, each func(n int, took time.Duration)) times {
	w.t.Helper()
	var all times
	for end := time.Now().Add(during); time.Now().Before(end); {
		version := v1alpha1.Version("1.0." + strconv.Itoa((len(all)+1)%2))
		begun := time.Now()
		w.release(version)
		w.ready(version, 5*time.Minute)
		if all = append(all, time.Since(begun)); each != nil {
			each(len(all), all[len(all)-1])
		}
	}
	if len(all)%2 == 1 { // so that the next series begins with another release than the one that is there
		w.release("1.0.0")
		w.ready("1.0.0", 5*time.Minute)
	}
	return all
}

// writes measures, until it is asked, how long the API server takes to write: what the operator waits for, and is not its own.
func (w *world) writes() (stop func() string) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var all times
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			e := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "production"}}
			begun := time.Now()
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"at":"`+begun.String()+`"}}}`))
			if err := w.client.Patch(ctx, e, patch); err == nil {
				all = append(all, time.Since(begun))
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return func() string {
		cancel()
		done.Wait()
		return fmt.Sprintf("%d writes, median %s, worst %s", len(all), all.median().Round(time.Millisecond), all.at(1).Round(time.Millisecond))
	}
}

// release asks for a release in the binding.
func (w *world) release(version v1alpha1.Version) {
	w.t.Helper()
	b := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop-production"}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"release":"`+string(version)+`"}}`))
	if err := w.client.Patch(w.t.Context(), b, patch); err != nil {
		w.t.Fatal(err)
	}
}

// ready waits until the binding is Ready with the release.
func (w *world) ready(version v1alpha1.Version, limit time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	watching, err := client.NewWithWatch(w.cluster.Config, client.Options{Scheme: w.client.Scheme()})
	if err != nil {
		w.t.Fatal(err)
	}
	changes, err := watching.Watch(ctx, &v1alpha1.ReleaseBindingList{}, client.InNamespace(w.namespace))
	if err != nil {
		w.t.Fatal(err)
	}
	defer changes.Stop()
	last := "nothing"
	for {
		select {
		case change, open := <-changes.ResultChan():
			b, ok := change.Object.(*v1alpha1.ReleaseBinding)
			if !open || change.Type == watch.Error || !ok {
				w.t.Fatalf("watching the binding: %v", change)
			}
			c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
			if c != nil {
				last = c.Reason + ": " + c.Message
			}
			if b.Status.ObservedGeneration == b.Generation && b.Status.Release == string(version) && c != nil && c.Status == metav1.ConditionTrue {
				return
			}
		case <-ctx.Done():
			w.t.Fatalf("release %s: not within %s; last seen: %s\n%s", version, limit, last, w.tail())
		}
	}
}

// memory is what the operator holds, and peak the most that it held, in bytes.
func (w *world) memory() int64 { return w.proc("VmRSS") }
func (w *world) peak() int64   { return w.proc("VmHWM") }

func (w *world) proc(field string) int64 {
	content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.operator.cmd.Process.Pid), "status"))
	for line := range strings.Lines(string(content)) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}
