//go:build linux

package main

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// examine runs `tentacle doctor` and returns the states of the checks, and its exit code.
func examine(t *testing.T, home string) (states map[string]string, exit int) {
	t.Helper()
	cmd := command(t.Context(), "doctor", "--json", "--home", home)
	out, _ := cmd.Output() // the exit code says whether it failed
	var all []struct{ Check, State, Text string }
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	states = map[string]string{}
	for _, f := range all {
		states[f.Check] += f.State + ": " + f.Text + "\n"
	}
	return states, cmd.ProcessState.ExitCode()
}

func TestTheDoctorTellsALivingDaemonFromADeadOne(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	_, trusted := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, trusted)
	p := start(t, home, e)
	states, exit := examine(t, home)
	for _, check := range []string{"home", "locks", "identity", "trust", "daemon", "port"} {
		if !strings.HasPrefix(states[check], "ok: ") {
			t.Errorf("of a daemon that serves, %s is %s", check, states[check])
		}
	}
	if strings.Contains(states["disk"], "fail") != (exit == cli.ExitFailed) {
		t.Errorf("exit code %d for %v", exit, states)
	}
	p.kill()
	<-p.ended
	l, err := net.Listen("tcp", e.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	states, exit = examine(t, home)
	if exit != cli.ExitFailed || !strings.HasPrefix(states["daemon"], "fail: ") || !strings.HasPrefix(states["locks"], "warn: ") ||
		!strings.HasPrefix(states["port"], "fail: ") || !strings.Contains(states["port"], "process ") {
		t.Errorf("of a killed one whose port was taken: exit code %d, %v", exit, states)
	}
}
