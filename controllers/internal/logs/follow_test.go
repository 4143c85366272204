package logs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// server is a Store that is asked by anna, and the API server with run "run" of namespace "shop" on web-1 and web-2.
type server struct {
	t *testing.T
	*Store
	client  client.Client
	handler http.Handler
}

func newServer(t *testing.T) *server {
	t.Helper()
	s, err := Open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := apiServer(false)
	cached := interceptor.NewClient(c, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if err := c.Get(ctx, key, o, opts...); err != nil {
			return err
		}
		_, err := watch.Slim(o) // as the operator's cache does
		return err
	}})
	sv := &server{t: t, Store: s, client: c, handler: s.Handler(cached, c)}
	t.Cleanup(s.Close)
	sv.run(func(r *v1alpha1.DeploymentRun) {
		r.Status.Phase, r.Status.Slices = v1alpha1.RunRunning, 1
		r.Status.Steps = []v1alpha1.RunStepStatus{{Name: "web/install"}, {Name: "smoke"}}
	})
	slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run-000", Labels: map[string]string{v1alpha1.LabelRunUID: "of-shop"}},
		Spec: v1alpha1.DeploymentRunSliceSpec{Targets: []v1alpha1.SliceTarget{{Name: "web-1"}, {Name: "web-2"}}}}
	if err := c.Create(t.Context(), slice); err != nil {
		t.Fatal(err)
	}
	return sv
}

func (s *server) run(change func(*v1alpha1.DeploymentRun)) {
	s.t.Helper()
	r := &v1alpha1.DeploymentRun{}
	if err := s.client.Get(s.t.Context(), types.NamespacedName{Namespace: "shop", Name: "run"}, r); err != nil {
		s.t.Fatal(err)
	}
	change(r)
	if err := s.client.Update(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
}

// rows says what the run did on web-1.
func (s *server) rows(rows ...v1alpha1.ActionStatus) {
	s.t.Helper()
	slice := &v1alpha1.DeploymentRunSlice{}
	if err := s.client.Get(s.t.Context(), types.NamespacedName{Namespace: "shop", Name: "run-000"}, slice); err != nil {
		s.t.Fatal(err)
	}
	slice.Status.Results = []v1alpha1.TargetResult{{Target: "web-1", Phase: v1alpha1.StepRunning, Steps: rows}}
	if err := s.client.Update(s.t.Context(), slice); err != nil {
		s.t.Fatal(err)
	}
}

func request(ctx context.Context, path string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://operator"+path, nil)
	r.Header.Set("Authorization", "Bearer anna")
	return r
}

func (s *server) get(path string) (int, string) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, request(s.t.Context(), path))
	return w.Code, w.Body.String()
}

// stream follows a path until it ends; the lines come as they are written.
func (s *server) stream(ctx context.Context, path string) (lines <-chan string) {
	reader, writer := io.Pipe()
	go func() {
		s.handler.ServeHTTP(&piped{ResponseRecorder: httptest.NewRecorder(), to: writer}, request(ctx, path))
		_ = writer.Close()
	}()
	out := make(chan string, 100)
	go func() {
		defer close(out)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			out <- scanner.Text()
		}
	}()
	return out
}

type piped struct {
	*httptest.ResponseRecorder
	to io.Writer
}

func (p *piped) Write(b []byte) (int, error) { return p.to.Write(b) }

func row(step string, phase v1alpha1.StepPhase, size int64) v1alpha1.ActionStatus {
	return v1alpha1.ActionStatus{Name: step, Phase: phase, Attempt: 1, Sent: true, Log: &v1alpha1.ActionLog{Size: size}}
}

// Whoever asks for an output that is not there is told which kind of absence it is.
func TestTheKindsOfAbsenceAreToldApart(t *testing.T) {
	s := newServer(t)
	skipped := v1alpha1.ActionStatus{Name: "smoke", Phase: v1alpha1.StepSkipped, Reason: v1alpha1.ReasonUnavailable, Message: "the target could not be reached"}
	expect := func(path string, status int, word string) {
		t.Helper()
		if got, text := s.get(path); got != status || !strings.HasPrefix(text, word) {
			t.Errorf("%s: %d %s, wanted %d %s", path, got, text, status, word)
		}
	}
	const install, smoke = "/logs/shop/run/web-1/web/install", "/logs/shop/run/web-1/smoke"
	expect("/logs/shop/run/web-9/smoke", http.StatusNotFound, "TargetNotFound: run run has no target web-9")
	expect("/logs/shop/run/web-1/smoek", http.StatusNotFound, "StepNotFound: run run has no step smoek")
	expect(smoke, http.StatusConflict, "NotRunYet: smoke has not run on web-1 yet")
	s.rows(row("web/install", v1alpha1.StepRunning, 0))
	expect(install, http.StatusConflict, "NoOutputYet: web/install is Running on web-1")
	s.rows(row("web/install", v1alpha1.StepSucceeded, 100), skipped)
	expect(install, http.StatusGone, "LogUnavailable: ")
	expect(install+"?attempt=7", http.StatusConflict, "NotRun: ")
	expect(smoke, http.StatusConflict, "NotRun: smoke did not run on web-1: Skipped (Unavailable): the target could not be reached")
	expect(smoke+"?follow=true", http.StatusConflict, "NotRun: ")
	expect("/logs/shop/run/web-2/smoke", http.StatusConflict, "NotRunYet: ")
	s.run(func(r *v1alpha1.DeploymentRun) { r.Status.Phase = v1alpha1.RunFailed })
	expect("/logs/shop/run/web-2/smoke", http.StatusConflict, "NotRun: smoke did not run on web-2: run run ended as Failed")
	s.rows(row("web/install", v1alpha1.StepSucceeded, 0))
	expect(install, http.StatusOK, "")
	expect(install+"?attempt=x", http.StatusBadRequest, "attempt must be")
	expect(install+"?follow=please", http.StatusBadRequest, "follow must be")
}

// A list names every output with its attempts, those that are elsewhere too, as text and as JSON.
func TestWhatThereIsIsListed(t *testing.T) {
	s := newServer(t)
	for attempt := int32(1); attempt <= 2; attempt++ {
		if err := s.Sink("shop", "of-shop", "web-1", "web/install", attempt).Append(1, entries("confidential")); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s.Store, "bank", "of-bank", "of another")
	second := row("web/install", v1alpha1.StepFailed, 13)
	second.Attempt = 2
	s.rows(second, row("smoke", v1alpha1.StepRunning, 0))
	status, text := s.get("/logs/shop/run?output=json")
	var list List
	if err := json.Unmarshal([]byte(text), &list); err != nil || status != http.StatusOK || len(list.Items) != 3 || list.More {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	of := list.Items
	if of[0].Step != "smoke" || of[0].Kept || of[0].Phase != v1alpha1.StepRunning {
		t.Errorf("of what is elsewhere: %+v", of[0])
	}
	if of[1].Attempt != 1 || !of[1].Kept || of[1].Size == 0 || of[1].Phase != "" {
		t.Errorf("of an earlier attempt: %+v", of[1])
	}
	if of[2].Attempt != 2 || of[2].Phase != v1alpha1.StepFailed || of[2].Path != "/logs/shop/run/web-1/web/install?attempt=2" {
		t.Errorf("of the newest: %+v", of[2])
	}
	if status, text := s.get(of[2].Path); status != http.StatusOK || text != "confidential\n" {
		t.Errorf("what its path has: %d %s", status, text)
	}
	if _, text := s.get("/logs/shop/run/web-1"); strings.Count(text, "\n") != 4 || !strings.HasPrefix(text, "TARGET") || !strings.Contains(text, "web/install   2 ") {
		t.Errorf("as text:\n%s", text)
	}
	if _, text := s.get("/logs/shop/run/.."); strings.Count(text, "\n") != 1 {
		t.Errorf("out of the folder:\n%s", text)
	}
}

func TestEachLineHasItsTime(t *testing.T) {
	s := newServer(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	out := []tentacle.ProcessOutput{{Text: "first", Occurred: at}, {Text: "second", Occurred: at.Add(time.Second)}}
	if err := s.Sink("shop", "of-shop", "web-1", "web/install", 1).Append(1, out); err != nil {
		t.Fatal(err)
	}
	want := "2026-03-01T12:00:00.000005Z first\n2026-03-01T12:00:01.000005Z second\n"
	if _, text := s.get("/logs/shop/run/web-1/web/install?timestamps=true"); text != want {
		t.Errorf("got %q", text)
	}
}

// An output is followed from before its first line to the end of its step, and ends with its run.
func TestAnOutputIsFollowedToItsEnd(t *testing.T) {
	for what, end := range map[string]func(*server){
		"the step ends": func(s *server) { s.rows(row("web/install", v1alpha1.StepSucceeded, 13)) },
		"the run ends":  func(s *server) { s.run(func(r *v1alpha1.DeploymentRun) { r.Status.Phase = v1alpha1.RunCancelled }) },
		"the run is deleted": func(s *server) {
			if err := s.client.Delete(s.t.Context(), &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run"}}); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			lines := s.stream(t.Context(), "/logs/shop/run/web-1/web/install?follow=true")
			time.Sleep(time.Minute)
			k := s.Sink("shop", "of-shop", "web-1", "web/install", 1)
			for i := range int64(3) {
				if err := k.Append(i+1, entries(fmt.Sprint("line ", i))); err != nil {
					t.Fatal(err)
				}
				s.rows(row("web/install", v1alpha1.StepRunning, 0))
				if got := <-lines; got != fmt.Sprint("line ", i) {
					t.Errorf("%s: read %q", what, got)
				}
				time.Sleep(time.Minute)
			}
			if err := k.Append(4, entries("the last")); err != nil {
				t.Fatal(err)
			}
			end(s)
			before := time.Now()
			if got := <-lines; got != "the last" {
				t.Errorf("%s: read %q", what, got)
			}
			if got, more := <-lines; more || time.Since(before) > 2*rowPause {
				t.Errorf("%s: %q comes after %s", what, got, time.Since(before))
			}
		})
	}
}

// A follower has a place as long as it reads; what is silent, or of too many, ends.
func TestFollowersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const path = "/logs/shop/run/web-1/web/install?follow=true"
		var all []<-chan string
		for range maxFollowersOfAddress {
			all = append(all, s.stream(ctx, path))
		}
		synctest.Wait()
		if status, text := s.get(path); status != http.StatusTooManyRequests {
			t.Errorf("one more: %d %s", status, text)
		}
		begun := time.Now()
		for _, lines := range all {
			if got := <-lines; !strings.HasPrefix(got, "[no output for ") {
				t.Errorf("read %q", got)
			}
			if _, more := <-lines; more {
				t.Error("it goes on")
			}
		}
		if took := time.Since(begun); took > followIdle+time.Minute {
			t.Errorf("they end after %s", took)
		}
		next := s.stream(ctx, path)
		synctest.Wait()
		s.Close()
		if got := <-next; !strings.HasPrefix(got, "[the operator closes this request") {
			t.Errorf("when the operator ends: %q", got)
		}
	})
}

// A bound ends a follower that reads a long output slowly, too.
func TestAFollowerThatLagsBehindEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		const total = 20_000
		lines := make([]string, total)
		for i := range lines {
			lines[i] = fmt.Sprintf("line %5d of a long output", i)
		}
		if err := s.Sink("shop", "of-shop", "web-1", "web/install", 1).Append(1, entries(lines...)); err != nil {
			t.Fatal(err)
		}
		s.rows(row("web/install", v1alpha1.StepRunning, 0))
		out := s.stream(t.Context(), "/logs/shop/run/web-1/web/install?follow=true")
		<-out
		s.Close()
		n, last := 1, ""
		for line := range out {
			n, last = n+1, line
		}
		if n > total/2 || !strings.HasPrefix(last, "[the operator closes this request") {
			t.Errorf("it read %d lines, the last of them %q", n, last)
		}
	})
}

// The output of a run is not served of a run or namespace that has the name later.
func TestANamespaceThatIsMadeAgainHasNothingOfTheFormer(t *testing.T) {
	s := newServer(t)
	write(t, s.Store, "shop", "of-shop", "confidential")
	if _, text := s.get("/logs/shop/run/web-1/web/install"); text != "confidential\n" {
		t.Fatalf("before: %q", text)
	}
	r := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run"}}
	if err := s.client.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	again := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "of-the-next-tenant"}}
	if err := s.client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/logs/shop/run", "/logs/shop/run/web-1", "/logs/shop/run/web-1/web/install", "/logs/shop/run/web-1/web/install?attempt=1"} {
		if _, text := s.get(path); strings.Contains(text, "confidential") || strings.Contains(text, "install?attempt") {
			t.Errorf("%s: %s", path, text)
		}
	}
}
