//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// onLittleDisk starts the daemon of a home whose file system, in a mount namespace of the daemon's own, has 64 MiB.
func onLittleDisk(t *testing.T, home string, e halibut.Endpoint) *running {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this test mounts a small file system, for which it has to run as root")
	}
	const mount = `set -e; mount --make-rprivate /; cp -a "$1" "$1.copy"; mount -t tmpfs -o size=64m,mode=755 tmpfs "$1"; cp -a "$1.copy/." "$1"; shift`
	if out, err := exec.CommandContext(t.Context(), "unshare", "-m", "/bin/bash", "-c", mount, "bash", t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %v: %s", err, out)
	}
	run := command(context.Background(), "run", "--home", home)
	cmd := exec.Command("unshare", append([]string{"-m", "/bin/bash", "-c", mount + `; exec "$@"`, "bash", home}, run.Args...)...)
	cmd.Env = run.Env
	return launch(t, cmd, home+".log", e)
}

// TestFilesOfAScriptAreNotReceivedWhereItCannotStart shows low disk as an operator meets it: told with the capabilities,
// and a start refused before its files are transferred, in a way that says that it may pass.
func TestFilesOfAScriptAreNotReceivedWhereItCannotStart(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := onLittleDisk(t, home, e)
	c := operator(t, e, a)
	r, err := c.GetCapabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	facts := tentacle.ParseFacts(r)
	if facts.LowDisk == nil || *facts.LowDisk < 1 || *facts.LowDisk > 64 {
		t.Errorf("the capabilities tell of %v MiB: %q", facts.LowDisk, r.SupportedCapabilities)
	}
	inside := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "root", home)
	var before, after syscall.Statfs_t
	if err := syscall.Statfs(inside, &before); err != nil {
		t.Fatal(err)
	}
	file := tentacle.ScriptFile{Name: "large", Contents: halibut.NewDataStreamBytes(make([]byte, 8<<20))}
	for _, files := range [][]tentacle.ScriptFile{nil, {file}} {
		_, err := c.StartScript(t.Context(), tentacle.StartScriptCommandV2{ScriptTicket: ticket("a"), ScriptBody: "true", Files: files})
		answer, ok := errors.AsType[*halibut.ServerError](err)
		if !ok || !answer.Retryable() || !strings.Contains(answer.Message, "low disk space on this machine") {
			t.Errorf("a start with %d files: %v", len(files), err)
		}
	}
	if err := syscall.Statfs(inside, &after); err != nil || after.Bavail < before.Bavail {
		t.Errorf("%d blocks were free, and %d are: %v", before.Bavail, after.Bavail, err)
	}
	if got, err := c.UploadFile(t.Context(), "small", halibut.NewDataStreamBytes([]byte("fits"))); err != nil || got.Length != 4 {
		t.Errorf("an upload for which there is room: %+v, %v", got, err)
	}
}

// TestAnUploadUnderWayLeavesTheRoomThatItDoesNotTake has an upload stop in the middle, on a disk that it fills by more than half.
func TestAnUploadUnderWayLeavesTheRoomThatItDoesNotTake(t *testing.T) {
	const size = 24 << 20
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	b, second := tentacletest.NewCertificate(t, "another")
	e := initialise(t, home, first, second)
	p := onLittleDisk(t, home, e)
	content, sender := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := operator(t, e, a).UploadFile(t.Context(), "large", halibut.NewDataStream(size, func() (io.ReadCloser, error) { return content, nil }))
		ended <- err
	}()
	if _, err := sender.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	upload := func(c *tentacle.Client, mebibytes int) error {
		_, err := c.UploadFile(t.Context(), "other", halibut.NewDataStreamBytes(make([]byte, mebibytes<<20)))
		return err
	}
	if err := upload(operator(t, e, a), 12); err == nil || !strings.Contains(err.Error(), "for what is being received already") {
		t.Errorf("an upload for which the first leaves no room: %v", err)
	}
	if err := upload(operator(t, e, b), 10); err != nil {
		t.Errorf("another operator has half of the room: %v", err)
	}
	if _, err := sender.Write(make([]byte, size-2<<20)); err != nil {
		t.Fatal(err)
	}
	spool := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "root", home, ".tentacle", "spool", "*")
	eventually(t, "most of the first is spooled", func() bool {
		names, _ := filepath.Glob(spool)
		return slices.ContainsFunc(names, func(name string) bool {
			info, err := os.Stat(name)
			return err == nil && info.Size() >= size-3<<20
		})
	})
	if err := upload(operator(t, e, a), 1); err != nil {
		t.Errorf("an upload for which the first leaves room: %v", err)
	}
	if _, err := sender.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the first: %v", err)
	}
}
