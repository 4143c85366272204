package tentacletest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// driver makes a Fake and a client that it trusts, with short timeouts.
func driver(t *testing.T, o Options) (*Fake, *tentacle.Client) {
	t.Helper()
	certificate, thumbprint := NewCertificate(t, "Operator")
	o.Trusted = append(o.Trusted, thumbprint)
	f := StartFake(t, o)
	c := halibut.NewClient(halibut.ClientConfig{
		Certificate: certificate, SpoolDir: t.TempDir(),
		TLSTimeout: time.Second, AnswerTimeout: time.Second, RetryInterval: 10 * time.Millisecond,
	})
	t.Cleanup(c.Close)
	return f, tentacle.NewClient(c, f.Endpoint())
}

func command(ticket string) tentacle.StartScriptCommandV2 {
	return tentacle.StartScriptCommandV2{
		ScriptTicket: tentacle.ScriptTicket{TaskID: ticket}, DurationToWaitForScriptToFinish: seconds(20),
	}
}

func stage(err error) halibut.Stage {
	if e, ok := errors.AsType[*halibut.ConnectError](err); ok {
		return e.Stage
	}
	return ""
}

func TestFakeMisbehavesAsToldAndRecovers(t *testing.T) {
	f, c := driver(t, Options{Script: Prints(0, "hello")})
	for behaviour, want := range map[Behaviour]halibut.Stage{
		SilentBeforeTLS:  halibut.TLSTimedOut,
		ClosesBeforeTLS:  halibut.TLSFailed,
		NotTLS:           halibut.TLSFailed,
		SilentAfterTLS:   halibut.NoAnswer,
		ClosesAfterTLS:   halibut.OperatorNotTrusted,
		NotHalibut:       halibut.ProtocolError,
		WrongCertificate: halibut.ThumbprintMismatch,
		OtherTLSServer:   halibut.ThumbprintMismatch,
	} {
		f.Behave(behaviour)
		if _, err := c.GetCapabilities(t.Context()); stage(err) != want {
			t.Errorf("behaviour %d: wanted %s, got %v", behaviour, want, err)
		}
		f.Behave(Works)
		if _, err := c.GetCapabilities(t.Context()); err != nil {
			t.Errorf("after behaviour %d: %v", behaviour, err)
		}
	}
}

func TestFakeStopsTrustsAndListensAgain(t *testing.T) {
	f, c := driver(t, Options{Script: Prints(0)})
	f.Stop()
	if _, err := c.GetCapabilities(t.Context()); stage(err) != halibut.ConnectionRefused {
		t.Errorf("stopped: %v", err)
	}
	f.Listen()
	_, stranger := NewCertificate(t, "Stranger")
	f.Trust(stranger)
	if _, err := c.GetCapabilities(t.Context()); stage(err) != halibut.OperatorNotTrusted || f.Refused() == 0 {
		t.Errorf("not trusted, %d refused: %v", f.Refused(), err)
	}
}

func TestDroppedStartRunsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		point Point
		ran   int
	}{"before": {Before("StartScript"), 0}, "after": {After("StartScript"), 1}} {
		t.Run(name, func(t *testing.T) {
			f, client := driver(t, Options{Script: Prints(3, "once")})
			f.Inject(c.point, 1, Drop)
			_, err := client.StartScript(t.Context(), command("t"))
			if _, ok := errors.AsType[*halibut.TransferError](err); !ok {
				t.Fatalf("wanted an unknown outcome, got %v", err)
			}
			if n := len(f.Executions()); n != c.ran {
				t.Errorf("ran %d times before it was sent again", n)
			}
			r, err := client.StartScript(t.Context(), command("t"))
			if err != nil || r.ExitCode != 3 || !printed("once")(r) || len(f.Executions()) != 1 {
				t.Errorf("sent again, after %d runs: %+v, %v", len(f.Executions()), r, err)
			}
			if diff := cmp.Diff([]string{"StartScript", "StartScript"}, f.Calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsAtEveryOtherCall(t *testing.T) {
	f, c := driver(t, Options{Script: Prints(0)})
	k := tentacle.ScriptTicket{TaskID: "t"}
	calls := map[string]func(context.Context) error{
		"GetStatus": func(ctx context.Context) error {
			_, err := c.GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: k})
			return err
		},
		"WaitForStatus": func(ctx context.Context) error {
			_, err := c.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: k})
			return err
		},
		"CompleteScript": func(ctx context.Context) error {
			return c.CompleteScript(ctx, tentacle.CompleteScriptCommandV2{Ticket: k})
		},
	}
	for method, call := range calls {
		for _, p := range []Point{Before(method), After(method)} {
			f.Inject(p, 1, Drop)
			if _, ok := errors.AsType[*halibut.TransferError](call(t.Context())); !ok {
				t.Errorf("%+v: the call was not broken", p)
			}
			f.Inject(p, 1, Fail(errors.New("the disk is low")))
			if e, ok := errors.AsType[*halibut.ServerError](call(t.Context())); !ok || !e.Retryable() {
				t.Errorf("%+v: wanted an error that may pass, got %v", p, e)
			}
			f.Inject(p, 1, Stall)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // in which the call has to arrive
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v: wanted to wait in vain, got %v", p, err)
			}
			cancel()
		}
		if err := call(t.Context()); err != nil {
			t.Errorf("%s after its faults: %v", method, err)
		}
	}
}

func TestForgottenTicketIsUnknown(t *testing.T) {
	f, c := driver(t, Options{Script: Prints(0)})
	if _, err := c.StartScript(t.Context(), command("t")); err != nil {
		t.Fatal(err)
	}
	f.PutFile("Files/x", []byte("x"))
	f.Forget()
	r, err := c.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: "t"}})
	if err != nil || r.ExitCode != tentacle.ExitUnknownScript {
		t.Errorf("%+v, %v", r, err)
	}
	if _, found := f.File("Files/x"); found {
		t.Errorf("the file is still there")
	}
}

func TestScriptThatHoldsIsReleasedOrCancelled(t *testing.T) {
	release := make(chan struct{})
	_, c := driver(t, Options{Script: Holds(release, Prints(4, "released"))})
	first, second := command("first"), command("second")
	first.DurationToWaitForScriptToFinish, second.DurationToWaitForScriptToFinish = nil, nil
	for _, s := range []tentacle.StartScriptCommandV2{first, second} {
		if r, err := c.StartScript(t.Context(), s); err != nil || r.State == tentacle.Complete {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if _, err := c.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: second.ScriptTicket}); err != nil {
		t.Fatal(err)
	}
	first.DurationToWaitForScriptToFinish, second.DurationToWaitForScriptToFinish = seconds(20), seconds(20)
	if r, err := c.StartScript(t.Context(), second); err != nil || r.ExitCode != tentacle.ExitCanceled {
		t.Errorf("the cancelled one: %+v, %v", r, err)
	}
	close(release)
	if r, err := c.StartScript(t.Context(), first); err != nil || r.ExitCode != 4 || !printed("released")(r) {
		t.Errorf("the released one: %+v, %v", r, err)
	}
}

func TestHundredsOfFakesInOneProcess(t *testing.T) {
	certificate, thumbprint := NewCertificate(t, "Operator")
	wire := halibut.NewClient(halibut.ClientConfig{Certificate: certificate, SpoolDir: t.TempDir()})
	t.Cleanup(wire.Close)
	fakes := make([]*Fake, 200)
	for i := range fakes {
		fakes[i] = StartFake(t, Options{Script: Prints(0, itoa(i)), Trusted: []halibut.Thumbprint{thumbprint}})
	}
	var all sync.WaitGroup
	places := make(chan struct{}, 20)
	for i, f := range fakes {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			r, err := tentacle.NewClient(wire, f.Endpoint()).StartScript(t.Context(), command("t"))
			if err != nil || !printed(itoa(i))(r) {
				t.Errorf("fake %d: %+v, %v", i, r, err)
			}
		})
	}
	all.Wait()
}

func TestTentacleWithoutCapabilitiesServiceHasTheOldOnes(t *testing.T) {
	certificate, thumbprint := NewCertificate(t, "Operator")
	wire := halibut.NewClient(halibut.ClientConfig{Certificate: certificate, SpoolDir: t.TempDir()})
	t.Cleanup(wire.Close)
	f := StartFake(t, Options{Script: Prints(0), Trusted: []halibut.Thumbprint{thumbprint}, WithoutWait: true})
	c := tentacle.NewClient(wire, f.Endpoint())
	f.Inject(Before("GetCapabilities"), 1, Fail(errors.New("Octopus.Tentacle.Communications.UnknownServiceNameException")))
	r, err := c.GetCapabilities(t.Context())
	if diff := cmp.Diff([]string{"IScriptService", tentacle.FileTransferServiceName}, r.SupportedCapabilities); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	f.Inject(Before("GetCapabilities"), 1, Fail(errors.New("the disk is low")))
	if _, err := c.GetCapabilities(t.Context()); err == nil {
		t.Errorf("an error that may pass was taken for an old Tentacle")
	}
	r, err = c.GetCapabilities(t.Context())
	if err != nil || slices.Contains(r.SupportedCapabilities, tentacle.MantleScriptServiceName) {
		t.Errorf("without WaitForStatus: %q, %v", r.SupportedCapabilities, err)
	}
	_, err = c.WaitForStatus(t.Context(), tentacle.WaitForStatusCommandV1{Ticket: tentacle.ScriptTicket{TaskID: "t"}})
	if e, ok := errors.AsType[*halibut.ServerError](err); !ok || e.Kind != halibut.ServiceNotFound {
		t.Errorf("WaitForStatus: %v", err)
	}
}
