package home

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

func newHome(t *testing.T) Home {
	t.Helper()
	h, err := Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTheStateFolderIsClosedToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes; its state folder has an access list")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, StateFolder), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrUnsafe) {
		t.Errorf("Open of a state folder that all may read: %v, want ErrUnsafe", err)
	}
	h, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(h.State())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %04o, want 0700", info.Mode().Perm())
	}
}

func TestOpenOfAFolderThatWasNotPrepared(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := Open(dir); !errors.Is(err, ErrNotInitialised) {
			t.Errorf("Open(%s): %v, want ErrNotInitialised", dir, err)
		}
	}
}

func TestAStateFolderThatIsALinkIsRefused(t *testing.T) {
	h := newHome(t)
	other := t.TempDir()
	if err := os.Symlink(h.State(), filepath.Join(other, StateFolder)); err != nil {
		t.Skip("no links here:", err)
	}
	if _, err := Open(other); !errors.Is(err, ErrUnsafe) {
		t.Errorf("%v, want ErrUnsafe", err)
	}
}

func TestLinksAreResolvedOnce(t *testing.T) {
	h := newHome(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(h.Dir(), link); err != nil {
		t.Skip("no links here:", err)
	}
	got, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	if got.Dir() != h.Dir() || got.Given() != link {
		t.Errorf("Dir %s Given %s, want %s and %s", got.Dir(), got.Given(), h.Dir(), link)
	}
}

func TestAHomeHasOneDaemon(t *testing.T) {
	h := newHome(t)
	if _, running, err := h.Daemon(); running || err != nil {
		t.Fatalf("before the first: running %v, %v", running, err)
	}
	first, err := h.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	pid, running, err := h.Daemon()
	if err != nil || !running || pid != os.Getpid() {
		t.Errorf("Daemon() = %d, %v, %v; want this process", pid, running, err)
	}
	_, err = h.LockDaemon()
	var taken *RunningError
	if !errors.As(err, &taken) || taken.PID != os.Getpid() {
		t.Errorf("second lock: %v, want RunningError with this process", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if _, running, err := h.Daemon(); running || err != nil {
		t.Errorf("after Release: running %v, %v", running, err)
	}
	second, err := h.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release() //nolint:errcheck // the test is over
}

func TestLookingWhetherADaemonLivesMakesNoneGiveUp(t *testing.T) {
	h := newHome(t)
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _, _ = h.Daemon()
			}
		}
	})
	for range 20 {
		l, err := h.LockDaemon()
		if err != nil {
			t.Error(err)
			break
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	looking.Wait()
}

func TestChangesDoNotOverwriteEachOther(t *testing.T) {
	h := newHome(t)
	path := h.State("count")
	if err := WriteFile(path, []byte("0")); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if err := h.Change(func() error { return increment(path) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	data, err := ReadFile(path, 10)
	if err != nil || string(data) != "20" {
		t.Errorf("%s, %v; want 20", data, err)
	}
	left, err := filepath.Glob(h.State(".count.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v %v", left, err)
	}
}

func increment(path string) error {
	data, err := ReadFile(path, 10)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(data))
	if err != nil {
		return fmt.Errorf("torn content %q: %w", data, err)
	}
	return WriteFile(path, []byte(strconv.Itoa(n+1)))
}

func TestAFileThatGrewOutOfItsBoundIsNotRead(t *testing.T) {
	h := newHome(t)
	if err := WriteFile(h.State("x"), []byte("12345")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(h.State("x"), 4); err == nil {
		t.Error("it was read")
	}
}

func TestAskReloadReachesTheDaemonOfThisHomeOnly(t *testing.T) {
	h, other := newHome(t), newHome(t)
	asked, stop, err := h.Reloads()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	lock, err := h.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release() //nolint:errcheck // the test is over
	if told, err := other.AskReload(); told || err != nil {
		t.Errorf("a home without daemon: told %v, %v", told, err)
	}
	if told, err := h.AskReload(); !told || err != nil {
		t.Fatalf("told %v, %v", told, err)
	}
	<-asked
}
