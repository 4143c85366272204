//go:build unix

package scripts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// The tickets of the life that is recorded: a step whose turn comes with its start, a script that waits for it, and one that is
// cancelled while it waits.
var lives = []string{"now", "waits", "ends"} //nolint:gochecknoglobals // of this test

func lifeScript(home, id string) tentacle.StartScriptCommandV2 {
	body := fmt.Sprintf("echo ran >> %q/ran-%s; while [ ! -e %q/go ]; do sleep 0.01; done; echo done", home, id, home)
	if id == "now" {
		c, err := step.Command(step.Plan{Ticket: id, Kind: step.KindRun, Namespace: "n", Environment: "e", Project: "p", RunUID: "u", Step: "s",
			Run: &step.Run{Shell: step.Bash, Script: body}}, []string{"hunter2"})
		if err != nil {
			panic(err)
		}
		return c
	}
	return withSecrets(exclusive(id, body))
}

func lifeConfig(home string) Config {
	c := testConfig(home)
	c.Notice, c.Gather = time.Hour, time.Hour // until it is closed
	c.Engine, c.Env = []string{os.Args[0], "step"}, []string{step.EnvTentacleHome + "=" + home}
	return c
}

// lifeMain is a daemon that has the scripts carried out, and says what it answered.
func lifeMain(home string) int {
	s, err := Open(lifeConfig(home))
	if err != nil {
		return 1
	}
	r := &rig{Store: s, t: &testing.T{}, cfg: s.cfg}
	say := func(format string, a ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintf(format, a...) + "\n") }
	say("ready")
	for _, id := range lives {
		r.start(lifeScript(home, id))
		say("answered %s", id)
	}
	r.cancelScript("ends")
	say("cancelled ends")
	if err := os.WriteFile(filepath.Join(home, "go"), nil, 0o600); err != nil {
		return 1
	}
	for _, id := range lives {
		say("ended %s %d", id, r.await(id, 0).ExitCode)
		if s.CompleteScript(context.Background(), operator, tentacle.CompleteScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}}) != nil {
			return 1
		}
		say("completed %s", id)
	}
	if s.Close() != nil {
		return 1
	}
	return 0
}
