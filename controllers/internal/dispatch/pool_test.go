package dispatch_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// stopping is what a Tentacle answers whose service ends (halibut.md section 8.1).
func stopping(context.Context, net.Conn) error {
	return errors.New("The Tentacle service is shutting down and cannot process this request.") //nolint:revive // Octopus's words
}

func TestAnActionRunsOnce(t *testing.T) {
	faults := map[string]func(machine){
		"in peace":                           func(machine) {},
		"dropped before StartScript":         func(m machine) { m.Inject(tentacletest.Before("StartScript"), 2, tentacletest.Drop) },
		"dropped after StartScript":          func(m machine) { m.Inject(tentacletest.After("StartScript"), 2, tentacletest.Drop) },
		"dropped while it is followed":       func(m machine) { m.Inject(tentacletest.Before("WaitForStatus"), 2, tentacletest.Drop) },
		"dropped before the last answer":     func(m machine) { m.Inject(tentacletest.After("WaitForStatus"), 2, tentacletest.Drop) },
		"dropped at the capabilities":        func(m machine) { m.Inject(tentacletest.Before("GetCapabilities"), 1, tentacletest.Drop) },
		"shutting down at the capabilities":  func(m machine) { m.Inject(tentacletest.Before("GetCapabilities"), 2, stopping) },
		"shutting down at StartScript":       func(m machine) { m.Inject(tentacletest.Before("StartScript"), 2, stopping) },
		"shutting down while it is followed": func(m machine) { m.Inject(tentacletest.Before("WaitForStatus"), 2, stopping) },
		"the first connection is dropped": func(m machine) {
			m.Behave(tentacletest.ClosesAfterTLS)
			time.AfterFunc(300*time.Millisecond, func() { m.Behave(tentacletest.Works) })
		},
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "", "one", "", "three")), newPool(t)
			inject(m)
			a := runAction(m, "t1")
			p.Dispatch(a)
			p.Dispatch(a)
			r := await(t, p, "t1", ended)
			if r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 {
				t.Errorf("ended as %s (%s), ran %d times", r.Phase, r.Message, steps(m))
			}
			if got := a.Log.(*kept).text(); got != "one\n\nthree" || r.LogSize != int64(len(got)) {
				t.Errorf("output %q, told as %d bytes", got, r.LogSize)
			}
		})
	}
}

func TestHowAnActionEnds(t *testing.T) {
	plain := func(code int32) tentacletest.Script {
		return func(_ context.Context, e *tentacletest.Execution) int32 { e.Print(wire.StdErr, "why"); return code }
	}
	refuse := func(_ context.Context, e *tentacletest.Execution) int32 {
		e.Print(wire.StdErr, "The script is "+wire.RefusedByPolicy("hours", "not now"))
		return wire.ExitRefused
	}
	tests := map[string]struct {
		script  tentacletest.Script
		outcome v1alpha1.StepPhase
		reason  string
		exit    int32
		unsent  bool
	}{
		"the script fails":              {engine(3, step.ReasonExitCode, "boom"), v1alpha1.StepFailed, "ExitCode", 3, false},
		"the script times out":          {engine(124, step.ReasonTimedOut), v1alpha1.StepFailed, "TimedOut", 124, false},
		"the engine is not there":       {plain(127), v1alpha1.StepFailed, "EngineFailed", 127, false},
		"the end without a result":      {plain(0), v1alpha1.StepLost, "Lost", -1, false},
		"the machine refuses":           {plain(wire.ExitRefused), v1alpha1.StepFailed, "Refused", -1, true},
		"the machine's policy refuses":  {refuse, v1alpha1.StepFailed, "RefusedByPolicy", -1, true},
		"the machine lost it":           {plain(wire.ExitLost), v1alpha1.StepLost, "Lost", -1, false},
		"the machine abandoned it":      {plain(wire.ExitAbandoned), v1alpha1.StepAbandoned, "Abandoned", -1, false},
		"the machine was busy":          {plain(wire.ExitTimeout), v1alpha1.StepFailed, "MutexTimedOut", -1, false},
		"the machine forgot the result": {plain(wire.ExitUnknownResult), v1alpha1.StepLost, "Lost", -1, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, tt.script), newPool(t)
			p.Dispatch(runAction(m, "t1"))
			r := await(t, p, "t1", ended)
			exit := int32(-1)
			if r.ExitCode != nil {
				exit = *r.ExitCode
			}
			if r.Phase != tt.outcome || r.Reason != tt.reason || exit != tt.exit || r.Sent == tt.unsent {
				t.Errorf("ended as %s %s %d (%s), sent %v", r.Phase, r.Reason, exit, r.Message, r.Sent)
			}
		})
	}
}

func TestWhatSurelyDidNotBeginIsUnsent(t *testing.T) {
	for name, tt := range map[string]struct {
		behave    tentacletest.Behaviour
		reason    string
		unreached bool
	}{
		"not trusted":         {tentacletest.ClosesAfterTLS, "OperatorNotTrusted", false},
		"another certificate": {tentacletest.WrongCertificate, "ThumbprintMismatch", false},
		"no TLS":              {tentacletest.NotTLS, "TLSFailed", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "")), newPool(t)
			m.Behave(tt.behave)
			a := runAction(m, "t1")
			a.Machine.RetryDuration = 300 * time.Millisecond
			p.Dispatch(a)
			r := await(t, p, "t1", ended)
			unsent(t, m, r, tt.reason)
			if r.Unreached != tt.unreached {
				t.Errorf("unreached %v (%s)", r.Unreached, r.Message)
			}
		})
	}
}

func TestAnotherProcessTakesUp(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "", "whole")))
	first := newPool(t)
	first.Dispatch(runAction(m, "t1"))
	await(t, first, "t1", running)
	first.Close()
	second := newPool(t)
	a := runAction(m, "t1")
	a.Resume = true
	second.Dispatch(a)
	await(t, second, "t1", running)
	close(release)
	r := await(t, second, "t1", ended)
	if r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 || a.Log.(*kept).text() != "whole" {
		t.Errorf("%s, ran %d times, output %q", r.Phase, steps(m), a.Log.(*kept).text())
	}
}

func TestTakingUpWhatNeverBegan(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	a.Resume = true
	p.Dispatch(a)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 {
		t.Errorf("%s, ran %d times", r.Phase, steps(m))
	}
}

func TestACompletedTicketBringsItsExitCode(t *testing.T) {
	m, p := newMachine(t, engine(3, step.ReasonExitCode)), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", ended)
	p.Acknowledge(uid, m.Machine, "t1")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if calls := strings.Join(m.Calls(), " "); strings.Contains(calls, "CompleteScript") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never completed")
		}
	}
	second := newPool(t)
	second.Dispatch(runAction(m, "t1"))
	r := await(t, second, "t1", ended)
	if r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 3 || steps(m) != 1 {
		t.Errorf("%+v, ran %d times", r, steps(m))
	}
}

func TestCancel(t *testing.T) {
	m, p := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, ""))), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	p.Cancel("t1")
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepCancelled {
		t.Errorf("ended as %s (%s)", r.Phase, r.Message)
	}
}

func TestContentIsSentOnce(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("ab", 32)
	for _, ticket := range []string{"t1", "t2"} {
		a := runAction(m, ticket)
		a.Content = &session.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil }}
		p.Dispatch(a)
		if r := await(t, p, ticket, ended); r.Phase != v1alpha1.StepSucceeded {
			t.Fatalf("%s (%s)", r.Phase, r.Message)
		}
	}
	if got, _ := m.File(step.ContentPath(sha, "tar")); string(got) != "content" {
		t.Errorf("the machine has %q", got)
	}
	uploads := strings.Count(strings.Join(m.Calls(), " "), "UploadFile")
	if uploads != 1 {
		t.Errorf("sent %d times", uploads)
	}
}

func TestPolledWhereWaitIsMissing(t *testing.T) {
	m, p := newMachine(t, engine(0, "", "a"), func(o *tentacletest.Options) { o.WithoutWait = true }), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("%s (%s)", r.Phase, r.Message)
	}
}

// The message of a step that took too long says so, and then how its output ended.
func TestATimeOutIsSaidFirst(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, engine(124, step.ReasonTimedOut, "begin", "waiting for the database", step.TimeOver+" after 1m0s")), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	const want = "timed out after 1m\nbegin\nwaiting for the database"
	if r := await(t, p, "t1", ended); r.Reason != "TimedOut" || r.Message != want {
		t.Errorf("%s: %q", r.Reason, r.Message)
	}
}
