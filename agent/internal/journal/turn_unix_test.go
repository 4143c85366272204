//go:build unix

package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ofMantle is the journal of a home that is a Tentacle's of Mantle.
func ofMantle(t *testing.T) (*Journal, string) {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".tentacle"), 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	return j, filepath.Join(home, Folder, File)
}

// The journal belongs to the user of the scripts. A process of that user that locks it stops no step.
func TestALockThatIsHeldWithoutEndStopsNobody(t *testing.T) {
	j, file := ofMantle(t)
	add(t, j, row("p", "1", "a", Started, true))
	held, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if got, err := tryLock(held, true); !got || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	began := time.Now()
	add(t, j, row("p", "1", "a", Succeeded, true))
	if _, err := j.Key(); err != nil {
		t.Error(err)
	}
	got, err := j.Installed("")
	if err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if took := time.Since(began); took > lockWait/2 {
		t.Errorf("it took %s", took)
	}
}

// A version that knows only the lock of the journal itself loses no row beside this one, though the journal is replaced meanwhile.
func TestAnEarlierVersionsLockIsKept(t *testing.T) {
	j, file := ofMantle(t)
	add(t, j, row("p", "1", "a", Started, true))
	held, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tryLock(held, true); !got || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	appended := make(chan error, 1)
	go func() { appended <- j.Append(row("p", "1", "b", Started, true), false) }()
	select {
	case err := <-appended:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(formerWait / 4):
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-appended; err != nil {
		t.Error(err)
	}
}

func TestManyWritersTakeTurns(t *testing.T) {
	j, _ := ofMantle(t)
	const writers, each = 8, 25
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if err := j.Append(row("p", "1", "a", Started, true), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	rows := 0
	if err := j.each(func(Row) { rows++ }); err != nil || rows != writers*each {
		t.Errorf("%d rows, %v", rows, err)
	}
	info, err := os.Stat(j.turn)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the lock is %v, %v", info, err)
	}
}

// Scripts can read the journal, and the digests of secrets in it. They must not have the key by which they could try secrets.
func TestTheKeyIsOutOfTheReachOfScripts(t *testing.T) {
	j, file := ofMantle(t)
	beside := filepath.Join(filepath.Dir(file), keyFile)
	former := bytes.Repeat([]byte{7}, keySize)
	if err := os.WriteFile(beside, former, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if key, err := j.Key(); err != nil || !bytes.Equal(key, former) {
			t.Errorf("the key of an earlier version is now %x, %v", key, err)
		}
	}
	if _, err := os.Stat(beside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it lies beside the journal still: %v", err)
	}
	if info, err := os.Stat(filepath.Join(filepath.Dir(j.turn), keyName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// The key of an earlier version lay where scripts can put a pipe in its place.
func TestAPipeInThePlaceOfTheKeyKeepsNobodyWaiting(t *testing.T) {
	j, file := ofMantle(t)
	if err := syscall.Mkfifo(filepath.Join(filepath.Dir(file), keyFile), 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := j.Key()
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for a writer of the pipe")
	}
}
