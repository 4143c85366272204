//go:build !windows

package home

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// A daemon that has its lock, and has not written its process id yet, finds that of a former one in the file. That number may be
// anybody's by now: a reload must not reach (and end) that process.
func TestAskReloadSignalsNoProcessOfAFormerDaemonsNumber(t *testing.T) {
	h := newHome(t)
	stranger := exec.CommandContext(t.Context(), "sleep", "300")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Wait() }()
	if err := os.WriteFile(h.daemonFile(), []byte(strconv.Itoa(stranger.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked, stop, err := h.Reloads()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	locked, write := make(chan struct{}), make(chan struct{})
	starting, lock := make(chan error, 1), &Lock{}
	go func() { // what LockDaemon does, with a pause in its middle
		starting <- Exclusive(h.startingFile(), func() error {
			var err error
			lock.file, err = waitLock(h.daemonFile(), lockPatience)
			close(locked)
			if err != nil {
				return err
			}
			<-write
			return lock.writePID()
		})
	}()
	<-locked
	told := make(chan error, 1)
	go func() {
		_, err := h.AskReload()
		told <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("a stranger was ended: %v", err)
	case err := <-told:
		close(write)
		t.Fatalf("it did not wait until the daemon says who it is: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(write)
	if err := <-starting; err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	<-asked
	defer lock.Release() //nolint:errcheck // the test is over
	select {
	case err := <-ended:
		t.Errorf("a stranger was ended: %v", err)
	default:
	}
}
