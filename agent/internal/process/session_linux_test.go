package process

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A service that made a session, forked, and whose leader ended may have the number that a supervisor had: its processes must
// live. Those that have the supervisor's mark are its own, and so are others in the same session.
func TestASessionOfStrangersIsLeftAlone(t *testing.T) {
	// orphans starts a session whose leader ends, with a process for each environment, and returns the session and those.
	orphans := func(t *testing.T, marks ...string) (session int, pids []int) {
		t.Helper()
		script := ""
		for _, m := range marks {
			script += "env " + m + " sleep 300 >/dev/null 2>&1 & echo $!;"
		}
		cmd := exec.Command("/bin/bash", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(strings.NewReader(string(out)))
		for lines.Scan() {
			pid, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		}
		until(t, "they are what they become", func() bool {
			for _, pid := range pids {
				name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
				if err != nil || string(name) != "sleep\n" {
					return false
				}
			}
			return true
		})
		return cmd.Process.Pid, pids
	}
	const other = markVariable + "=other"
	session, pids := orphans(t, other, "x=y")
	started := Started{Version: Version, Boot: bootID(), Process: session, StartTime: "1", Mark: "mine"}
	if found, left := EndSession(started, 10*time.Second); len(found) > 0 || len(left) > 0 {
		t.Errorf("it ends strangers: %v, %v", found, left)
	}
	for _, pid := range pids {
		if fields := stat(pid); len(fields) == 0 || fields[0] == "Z" {
			t.Errorf("process %d was ended", pid)
		}
	}
	session, pids = orphans(t, "x=y", markVariable+"=mine")
	started.Process = session
	if found, left := EndSession(started, 10*time.Second); len(found) != len(pids) || len(left) > 0 {
		t.Errorf("found %v, left %v of %v", found, left, pids)
	}
}

func TestAScriptHasTheMarkOfItsSupervisor(t *testing.T) {
	dir := folder(t, `test -n "$TentacleScriptMark" && echo marked; sleep 300`)
	supervisor := launch(t, dir)
	var started *Started
	until(t, "it begins", func() bool {
		var err error
		started, err = readStarted(dir)
		return err == nil && started != nil
	})
	if started.Mark == "" {
		t.Error("nobody knows the mark")
	}
	if has, known := hasVariable(started.Process, markVariable+"="+started.Mark); !has || !known {
		t.Errorf("the supervisor: %v, %v", has, known)
	}
	if err := syscall.Kill(started.Process, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	end(t, supervisor)
	until(t, "what it left is ended", func() bool {
		_, left := EndSession(*started, 10*time.Second)
		return len(left) == 0 && len(sessionProcesses(started.Process)) == 0
	})
}
