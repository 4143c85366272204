//go:build unix

package scripts

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// formerMain is the supervisor of a former build (November 2026) as far as a daemon sees it: it claims the ticket of folder dir,
// prints, and writes a result when the file end lies beside the ticket's folder, or when it is told of a cancel.
func formerMain(dir string) int {
	wake := make(chan os.Signal, 4)
	signal.Notify(wake, syscall.SIGTERM)
	claim, err := os.OpenFile(filepath.Join(dir, "claim"), os.O_RDWR, 0) // #nosec G304 -- a file of the test
	if err != nil {
		return 1
	}
	defer claim.Close()
	if syscall.FcntlFlock(claim.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}) != nil {
		return 1
	}
	stat, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	write := func(name, text string) {
		_ = os.WriteFile(filepath.Join(dir, name+".tmp"), []byte(text+"\n"), 0o600)
		_ = os.Rename(filepath.Join(dir, name+".tmp"), filepath.Join(dir, name))
	}
	write("started", fmt.Sprintf(`{"version":1,"boot":%q,"process":%d,"startTime":%q,"mark":"m"}`, process.Boot(), os.Getpid(), fields[19]))
	w, err := output.OpenWriter(dir, output.Limits{})
	if err != nil {
		return 1
	}
	out := output.NewStream(w, output.StdOut)
	_, _ = out.Write([]byte("begun\n"))
	end := func(code int32) int {
		w.Close()
		write("result", fmt.Sprintf(`{"version":1,"exitCode":%d,"entries":%d,"ended":%q}`, code, w.Last(), time.Now().UTC().Format(time.RFC3339Nano)))
		return 0
	}
	for limit := time.After(2 * time.Minute); ; {
		select {
		case <-wake:
			if process.Marked(dir, "cancel") {
				return end(tentacle.ExitCanceled)
			}
		case <-limit:
			return 1
		case <-time.After(10 * time.Millisecond):
			if process.Marked(filepath.Dir(dir), "end") {
				_, _ = out.Write([]byte("after\n"))
				return end(5)
			}
		}
	}
}

// callFile is what a former build kept of a step: a line, the plan, and the secrets.
func callFile(plan, secrets string) string {
	return fmt.Sprintf(`{"version":1,"plan":%d,"secrets":%d,"sum":%d}`, len(plan), len(secrets), crc32.Checksum([]byte(plan+secrets), crc32.MakeTable(crc32.Castagnoli))) +
		"\n" + plan + secrets
}

// A daemon takes over the home of its predecessor, of November 2026: what runs is followed, and can be cancelled; what waits gets
// its turn, once; and what is over stays so.
func TestTheHomeOfTheFormerBuildIsTakenOver(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc here, where a process reads when it was started")
	}
	r := stepRig(t)
	r.must(r.Close())
	command := func(id, who, mutex, spec string) string {
		return fmt.Sprintf(`{"version":1,"ticket":%q,"operator":%q,"taskId":"ServerTasks-1","arrived":"2026-11-28T03:04:0%dZ","mutex":%q,"exclusive":true,"process":{%s,"grace":2000000000,"abandon":20000000000,"drain":10000000000,"output":{}},"sha1":"","script":"sha256:00"}`,
			id, who, len(id)%10, mutex, spec)
	}
	ran, note := r.marker("ran")
	work := r.inHome("Work", "raw")
	raw := func(text string) string {
		line, err := json.Marshal(text)
		r.must(err)
		return fmt.Sprintf(`"path":"/bin/bash","args":["-c",%s],"dir":"/"`, line)
	}
	step := bashStep(t, "step", note+`echo "step $PW"`, "hunter2")
	secrets, err := readStream(step.Files[1].Contents)
	r.must(err)
	engine := fmt.Sprintf(`"path":%q,"args":["step"],"call":true,"dir":%q,"env":["TentacleHome=%s"]`, os.Args[0], r.inHome("Work", "step"), r.cfg.Home)
	both := markedName("raw", stranger)
	for name, files := range map[string]map[string]string{
		"runs":  {"command": command("runs", operator, "RunningScript", raw("true"))},
		"stops": {"command": command("stops", operator, "other", raw("true"))},
		"raw":   {"command": command("raw", operator, "RunningScript", fmt.Sprintf(`"path":"/bin/bash","args":["Bootstrap.sh"],"dir":%q`, work))},
		both:    {"command": command("raw", stranger, "RunningScript", raw("echo theirs"))},
		"step":  {"command": command("step", operator, "RunningScript", engine), "call": callFile(string(planOf(t, step)), string(secrets))},
		"ended": {"command": command("ended", operator, "RunningScript", raw(note)), "started": `{"version":1,"boot":"b","process":77,"startTime":"5","mark":"m"}`,
			"result": `{"version":1,"exitCode":9,"entries":0,"line":"why","source":1,"ended":"2999-01-01T00:00:00Z"}`},
		"over": {"command": command("over", operator, "RunningScript", raw(note)), "started": `{"version":1,"boot":"b","process":77,"startTime":"5"}`,
			"result": `{"version":1,"exitCode":0,"entries":0,"ended":"2026-11-28T00:00:00Z"}`, "completed": ""},
	} {
		r.must(os.Mkdir(r.inHome(".tentacle", "tickets", name), 0o700))
		r.put(r.inHome(".tentacle", "tickets", name, "claim"), "")
		for file, text := range files {
			r.put(r.inHome(".tentacle", "tickets", name, file), text)
		}
	}
	r.must(os.Mkdir(work, 0o700))
	r.put(filepath.Join(work, "Bootstrap.sh"), note+"echo raw")
	r.put(r.inHome(".tentacle", "tombstones", "stone.json"), `{"version":1,"ticket":"stone","operator":"`+operator+`","exitCode":7}`)
	r.put(r.inHome(".tentacle", "cancelled", "early.json"), `{"version":1,"ticket":"early","operator":"`+operator+`","cancelled":true}`)
	for _, id := range []string{"runs", "stops"} {
		supervisor := exec.Command(os.Args[0], "former", r.inHome(".tentacle", "tickets", id)) // #nosec G204 -- this test itself
		supervisor.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		r.must(supervisor.Start())
		t.Cleanup(func() { _, _ = supervisor.Process.Kill(), supervisor.Wait() })
		until(t, id+" is claimed", func() bool { return exists(r.inHome(".tentacle", "tickets", id, "started")) })
	}
	r.open()
	until(t, "the output of what runs", func() bool { return lines(r.status("runs", 0).Logs) == "begun\n" })
	if got := r.status("step", 0); got.State != tentacle.Pending || exists(ran) {
		t.Errorf("what waits is in state %d", got.State)
	}
	r.cancelScript("stops")
	r.want(r.await("stops", 0), tentacle.ExitCanceled, "begun\n")
	r.restart() // while both wait
	r.put(r.inHome(".tentacle", "tickets", "end"), "")
	r.want(r.await("runs", 0), 5, "begun\nafter\n")
	r.want(told(r.await("step", 0)), 0, "step ********\n")
	r.want(r.await("raw", 0), 0, "raw\n")
	var got tentacle.ScriptStatusResponseV2
	until(t, "the end of the other operator's script", func() bool {
		got, err = r.GetStatus(context.Background(), stranger, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: "raw"}})
		r.must(err)
		return got.State == tentacle.Complete
	})
	r.want(got, 0, "theirs\n")
	r.want(r.await("ended", 0), 9, "! why\n")
	for id, code := range map[string]int32{"over": tentacle.ExitAlreadyCompleted, "stone": tentacle.ExitAlreadyCompleted, "early": tentacle.ExitCanceled} {
		if got := r.start(script(id, note)); got.ExitCode != code {
			t.Errorf("%s: %+v", id, got)
		}
	}
	r.restart()
	if content(ran) != "ran\nran\n" {
		t.Errorf("the two that waited ran so often: %q", content(ran))
	}
	for _, id := range []string{"runs", "stops", "raw", "step", "ended"} {
		r.completeScript(id)
	}
	if left, _ := filepath.Glob(r.inHome(".tentacle", "tickets", "*", "call")); len(left) > 0 {
		t.Errorf("%v stays, and secrets with it", left)
	}
}
