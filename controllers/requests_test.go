package controllers_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// fleetSize is how many targets the requests are counted for.
const fleetSize = 1000

// What the operator may ask of the API server for fleetSize targets, somewhat more than it does. What follows from time has room
// for a slow machine: the environment is written every ten seconds while its targets change, which reads the identity, and
// the writes of a run, its slices and its binding are joined over a second or more; a write that met another is tried again; and a
// slice is read for a target whose row the cache shows later than the end of the run.
var (
	// runBudget is from the change of a binding to its Ready, for one step on all targets, and what follows from that: one
	// request for each target, and 500 others at most.
	runBudget = budget{
		{"get", "configmaps"}:                   40,
		{"get", "controllerrevisions"}:          8,
		{listLive, "controllerrevisions"}:       2,
		{"patch", "controllerrevisions"}:        4,
		{"create", "deploymentruns"}:            1,
		{"get", "deploymentruns"}:               10,
		{listLive, "deploymentruns"}:            5,
		{"patch", "deploymentruns"}:             4,
		{"patch", "deploymentruns/status"}:      20,
		{"create", "deploymentrunslices"}:       10,
		{"get", "deploymentrunslices"}:          fleetSize / 20,
		{listLive, "deploymentrunslices"}:       5,
		{"patch", "deploymentrunslices/status"}: 70,
		{"patch", "deploymenttargets/status"}:   fleetSize + 100,
		{"patch", "environments/status"}:        40,
		{"create", "events"}:                    10,
		{"get", "namespaces"}:                   40,
		{"get", "releasebindings"}:              6,
		{"patch", "releasebindings/status"}:     40,
		{"patch", "releases/status"}:            6,
		{"get", "secrets"}:                      40,
	}
	// hourBudget is for an hour in which nothing changes: twelve health checks of every target, after two of which its status
	// tells anew when that was. What reads and writes the environment is the changes by which the test wakes the controllers.
	hourBudget = budget{
		{"get", "configmaps"}:                 200,
		{"patch", "deploymenttargets/status"}: 2*fleetSize + 40,
		{"patch", "environments/status"}:      40,
		{"get", "namespaces"}:                 200,
		{"get", "secrets"}:                    200,
	}
	// takeOverBudget is from the start of another operator, in the middle of a run on all targets, to the binding's Ready, and
	// what follows from that. Caches are new then, so more writes meet another one.
	takeOverBudget = budget{
		{"get", "configmaps"}:                   40,
		{"get", "controllerrevisions"}:          8,
		{listLive, "controllerrevisions"}:       2,
		{"patch", "controllerrevisions"}:        4,
		{"watch", "controllerrevisions"}:        2,
		{"get", "deploymentruns"}:               10,
		{listLive, "deploymentruns"}:            5,
		{"patch", "deploymentruns"}:             4,
		{"watch", "deploymentruns"}:             2,
		{"patch", "deploymentruns/status"}:      20,
		{"get", "deploymentrunslices"}:          fleetSize / 20,
		{listLive, "deploymentrunslices"}:       5,
		{"watch", "deploymentrunslices"}:        2,
		{"patch", "deploymentrunslices/status"}: 70,
		{"watch", "deploymenttargets"}:          2,
		{"patch", "deploymenttargets/status"}:   fleetSize + 100,
		{"get", "discovery"}:                    4,
		{"watch", "environments"}:               2,
		{"patch", "environments/status"}:        40,
		{"create", "events"}:                    10,
		{"get", "namespaces"}:                   40,
		{"watch", "namespaces"}:                 2,
		{"get", "projects"}:                     2,
		{"watch", "projects"}:                   2,
		{"get", "releasebindings"}:              6,
		{"watch", "releasebindings"}:            2,
		{"patch", "releasebindings/status"}:     40,
		{"watch", "releases"}:                   2,
		{"patch", "releases/status"}:            6,
		{"get", "secrets"}:                      40,
		{"watch", "targetpolicies"}:             2,
	}
)

// clock is one that a test moves on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// fleet makes machines that share a certificate, and their targets, and waits until all are healthy.
func (w *world) fleet(size int) []*fakeMachine {
	w.t.Helper()
	operator := w.operator()
	certificate, _ := tentacletest.NewCertificate(w.t, "Fake Tentacle")
	all := make([]*fakeMachine, size)
	for i := range all {
		m := &fakeMachine{name: fmt.Sprintf("web-%04d", i), exit: map[string]int{}, hold: map[string]chan struct{}{}}
		m.Fake = tentacletest.StartFake(w.t, tentacletest.Options{Script: m.engine, Trusted: []halibut.Thumbprint{operator}, Certificate: certificate,
			Facts: tentacle.Facts{Version: "0.1.0", OS: "linux", Arch: "amd64", Engine: step.Version}})
		all[i] = m
	}
	var registering sync.WaitGroup
	const atOnce = 8
	for first := range atOnce {
		registering.Go(func() {
			for i := first; i < size; i += atOnce {
				w.register(all[i])
			}
		})
	}
	registering.Wait()
	w.eventually("all targets are healthy", func() (bool, string) {
		counted := w.environment().Status.Targets
		return int(counted.Healthy) == size, fmt.Sprintf("%+v", counted)
	})
	return all
}

func (w *world) environment() *v1alpha1.Environment {
	w.t.Helper()
	e := &v1alpha1.Environment{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "production"}, e); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// TestTheRequestsOfAThousandTargetsStayWithinTheirBudget counts what the operator asks of the API server. It does not run
// beside other tests, so that a run does not take longer for them.
func TestTheRequestsOfAThousandTargetsStayWithinTheirBudget(t *testing.T) {
	asked, hands := &requests{}, &clock{}
	w := newWorld(t, asked.count, func(w *world) {
		w.patience, w.pause = 10*time.Minute, 250*time.Millisecond
		w.options.Now = hands.now
	})
	began := time.Now()
	reached := func(what string) {
		t.Logf("%s after %s", what, time.Since(began).Round(time.Millisecond))
	}
	machines := w.fleet(fleetSize)
	w.project(func(p *v1alpha1.Project) {
		p.Spec.Steps = []v1alpha1.Step{{Name: "web", StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}}}
	})
	for _, version := range []v1alpha1.Version{"1.0.0", "2.0.0"} {
		w.release(version)
		w.reasonOf(&v1alpha1.Release{}, "shop-"+string(version), v1alpha1.ConditionReady, v1alpha1.ReasonResolved)
	}
	w.rests(asked)
	asked.take()
	reached("all targets are healthy")

	w.wish("1.0.0")
	w.everywhere("1.0.0")
	w.rests(asked)
	runBudget.check(t, "a run", asked.take())
	reached("the run has ended")

	w.idleHour(hands, asked, machines)
	reached("an hour has passed")

	w.takeOver(machines, func() { asked.take() })
	w.rests(asked)
	takeOverBudget.check(t, "a fail-over", asked.take())
	reached("the run that was taken over has ended")
	for _, m := range machines {
		w.expectDid(m, "1.0.0 web", "2.0.0 web")
	}
}

// everywhere waits until a release is on all targets, and both the binding and the environment say so.
func (w *world) everywhere(release string) {
	w.t.Helper()
	w.readyWith(v1alpha1.ReasonUpToDate)
	want := fmt.Sprintf("shop %s %d/%d", release, fleetSize, fleetSize)
	w.eventually("the environment has "+want, func() (bool, string) {
		running := w.environment().Status.Running
		return running == want, running
	})
}

// rests waits until the operator has asked for nothing for a while.
func (w *world) rests(asked *requests) {
	w.t.Helper()
	const quiet = 3 * time.Second
	w.eventually("the operator rests", func() (bool, string) {
		since := asked.silence()
		return since > quiet, since.String()
	})
}

// idleHour counts the requests of an hour at the controllers' clock in which nothing changes: of one round of health checks,
// and of one after which every status tells anew when the machine was asked. It does so after half an hour or more, which is
// for two of an hour's rounds at most.
func (w *world) idleHour(hands *clock, asked *requests, machines []*fakeMachine) {
	w.t.Helper()
	const rounds, anew = 12, 2
	if interval := new(v1alpha1.TargetPolicy).HealthInterval(); interval != time.Hour/rounds {
		w.t.Fatalf("health is checked every %s, not %d times in an hour", interval, rounds)
	}
	hour := map[request]int{}
	for _, round := range []struct {
		after time.Duration
		times int
	}{{time.Hour / rounds, rounds - anew}, {time.Hour, anew}} {
		w.healthRound(hands, round.after, machines)
		w.rests(asked)
		for kind, count := range asked.take() {
			if kind.verb != "watch" { // which are begun again after minutes of the real clock
				hour[kind] += count * round.times
			}
		}
	}
	hourBudget.check(w.t, "an idle hour", hour)
}

// healthRound moves the clock on and waits until every machine's health was checked.
func (w *world) healthRound(hands *clock, after time.Duration, machines []*fakeMachine) {
	w.t.Helper()
	checks := func(m *fakeMachine) (n int) {
		for _, call := range m.Calls() {
			if strings.HasPrefix(call, "GetCapabilities") {
				n++
			}
		}
		return n
	}
	before := make([]int, len(machines))
	for i, m := range machines {
		before[i] = checks(m)
	}
	hands.advance(after)
	// Timers go by the real clock. A change of what all targets depend on wakes their controller as these do.
	edit(w, "production", &v1alpha1.Environment{}, func(e *v1alpha1.Environment) { e.Spec.Order++ })
	next := 0
	w.eventually("every machine's health is checked", func() (bool, string) {
		for next < len(machines) && checks(machines[next]) > before[next] {
			next++
		}
		return next == len(machines), fmt.Sprintf("%d of %d", next, len(machines))
	})
}

// takeOver ends the operator in the middle of a run, starts another, and waits until that has brought the run to its end.
func (w *world) takeOver(machines []*fakeMachine, started func()) {
	w.t.Helper()
	var letGo []func()
	defer func() {
		for _, f := range letGo {
			f()
		}
	}()
	for _, m := range machines {
		letGo = append(letGo, m.holds("web"))
	}
	w.wish("2.0.0")
	w.eventually("half of the machines are at work", func() (bool, string) {
		n := 0
		for _, m := range machines {
			n += min(1, len(m.did())-1)
		}
		return n >= len(machines)/2, fmt.Sprintf("%d of %d", n, len(machines))
	})
	w.stop()
	started()
	w.start()
	for _, f := range letGo {
		f()
	}
	w.everywhere("2.0.0")
}
