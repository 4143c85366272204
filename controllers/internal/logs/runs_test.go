package logs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

func write(t *testing.T, s *Store, namespace string, run types.UID, text string) {
	t.Helper()
	if err := s.Sink(namespace, run, "web-1", "web/install", 1).Append(1, entries(text)); err != nil {
		t.Fatal(err)
	}
}

func TestARunThatIsMadeAgainHasNothingOfTheFormer(t *testing.T) {
	s, err := Open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := apiServer(false)
	ask := func() (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://operator/logs/shop/run/web-1/web/install", nil)
		r.Header.Set("Authorization", "Bearer anna")
		w := httptest.NewRecorder()
		s.Handler(c, c).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	write(t, s, "shop", "of-shop", "of the former")
	if status, text := ask(); status != http.StatusOK || text != "of the former\n" {
		t.Fatalf("%d %s", status, text)
	}
	var run v1alpha1.DeploymentRun
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "run"}, &run); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), &run); err != nil {
		t.Fatal(err)
	}
	if status, text := ask(); status != http.StatusNotFound || !strings.HasPrefix(text, "RunNotFound: ") {
		t.Errorf("of a run that is gone: %d %s", status, text)
	}
	if s.Kept("shop", "made-again", "web-1", "web/install", 1) {
		t.Error("the output counts as that of another run")
	}
}

func TestLogsGoWithTheirRuns(t *testing.T) {
	dir := t.TempDir()
	s, _ := Open(dir, 0)
	write(t, s, "shop", "there", "x")
	write(t, s, "shop", "gone", "x")
	write(t, s, "bank", "gone-too", "x")
	s, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), func(context.Context) (sets.Set[types.UID], error) { return nil, errors.New("away") }); err == nil || !s.Kept("shop", "gone", "web-1", "web/install", 1) {
		t.Errorf("without a list: %v", err)
	}
	list := func(context.Context) (sets.Set[types.UID], error) {
		write(t, s, "shop", "begun", "x") // while it is listed
		return sets.New[types.UID]("there"), nil
	}
	if err := s.Sweep(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for run, want := range map[types.UID]bool{"there": true, "gone": false, "begun": true} {
		if got := s.Kept("shop", run, "web-1", "web/install", 1); got != want {
			t.Errorf("%s is kept: %v", run, got)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "shop" {
		t.Errorf("the folder has %v", left)
	}
	if err := s.Delete("shop", "there"); err != nil || len(s.runs) != 1 || len(s.of) != 1 || s.of["shop"] != s.total {
		t.Errorf("%v, counted are %v, %v", err, s.runs, s.of)
	}
}

// The size of all logs is known without looking at each: also after a restart, and after some were dropped.
func TestWhatIsCountedIsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	const most = 100_000
	s, _ := Open(dir, most)
	for i := range 20 {
		write(t, s, "shop", types.UID(fmt.Sprint("run-", i)), strings.Repeat("x", 600))
	}
	onDisk := int64(0)
	for _, name := range must(filepath.Glob(filepath.Join(dir, "*/*/*/*"))) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		onDisk += info.Size() + fileCost
	}
	again, _ := Open(dir, most)
	if s.total != onDisk || again.total != onDisk || onDisk > most || onDisk < most*8/10 {
		t.Errorf("%d bytes are there, %d are counted and %d after a restart", onDisk, s.total, again.total)
	}
}

func must(names []string, err error) []string {
	if err != nil {
		panic(err)
	}
	return names
}

func TestMuchOutputTakesNothingOfAnotherNamespace(t *testing.T) {
	s, _ := Open(t.TempDir(), 50_000)
	write(t, s, "shop", "of-shop", "old, and of interest")
	for i := range 100 {
		write(t, s, "loud", types.UID(fmt.Sprint("run-", i)), strings.Repeat("x", 600))
	}
	if !s.Kept("shop", "of-shop", "web-1", "web/install", 1) {
		t.Error("the log of another namespace was dropped")
	}
	if s.total > 50_000 {
		t.Errorf("%d bytes are kept", s.total)
	}
}

// Files are few as well, however short: each takes a part of the disk that is not its bytes.
func TestShortLogsAreBoundedToo(t *testing.T) {
	dir := t.TempDir()
	s, _ := Open(dir, 20*fileCost)
	for i := range 200 {
		write(t, s, "loud", types.UID(fmt.Sprint("run-", i)), "x")
	}
	if files := must(filepath.Glob(filepath.Join(dir, "*/*/*/*"))); len(files) > 20 || len(files) < 15 {
		t.Errorf("%d files are kept", len(files))
	}
}

func TestWhatIsReadBackIsBounded(t *testing.T) {
	s, _ := Open(t.TempDir(), 0)
	path, _ := s.path("shop", "run", "web-1", "web/install", 1)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("9223372036854775807\tO\t2026\tfirst\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := s.Sink("shop", "run", "web-1", "web/install", 1)
	if err := k.Append(1, entries("second")); err != nil || read(t, s) != "first\nsecond\n" {
		t.Errorf("after a number that is none: %q, %v", read(t, s), err)
	}
	if err := k.Append(1<<62, entries("third")); err != nil {
		t.Fatal(err)
	}
	if err := k.Append(3, entries("fourth")); err != nil || read(t, s) != "first\nsecond\nfourth\n" {
		t.Errorf("a number that a machine makes up counts: %q, %v", read(t, s), err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skipf("this file system has no large files: %v", err)
	}
	large := s.Sink("shop", "run", "web-1", "web/install", 1)
	if err := large.Append(5, entries("fifth")); err != nil || large.Size() > maxFile {
		t.Errorf("told are %d bytes, %v", large.Size(), err)
	}
}

// How many slices a run has is a number in a status that a tenant may have written.
func TestSlicesThatCannotBeAreNotLookedFor(t *testing.T) {
	s, err := Open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	reads := 0
	c := interceptor.NewClient(apiServer(false), interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if reads++; reads > 2*ledger.MaxSlices {
			return errors.New("too many")
		}
		if err := c.Get(ctx, key, o, opts...); err != nil {
			return err
		}
		if run, is := o.(*v1alpha1.DeploymentRun); is {
			run.Status.Slices = math.MaxInt32
		}
		return nil
	}})
	for path, want := range map[string]int{"/logs/shop/run": http.StatusOK, "/logs/shop/run/web-1/smoke": http.StatusNotFound} {
		reads = 0
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://operator"+path, nil)
		r.Header.Set("Authorization", "Bearer anna")
		w := httptest.NewRecorder()
		if s.Handler(c, c).ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d after %d reads", path, w.Code, reads)
		}
	}
}
