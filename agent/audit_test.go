//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/agent/internal/pending"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// audited are the lines of the audit log of a home, as `tentacle audit --json` prints them.
func audited(t *testing.T, home string) (all []audit.Entry) {
	t.Helper()
	for line := range strings.Lines(ask(t, home, "audit", "--json")) {
		e, err := audit.Decode([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// said is what the lines say, in short, without those about connections.
func said(all []audit.Entry) string {
	var words []string
	for _, e := range all {
		if e.What != audit.Connection {
			words = append(words, strings.Join(strings.Fields(strings.Join([]string{e.What, e.Decision, e.Ticket, e.Path}, " ")), " "))
		}
	}
	return strings.Join(words, "; ")
}

// try runs a command that may fail, and returns its exit code and all that it printed.
func try(t *testing.T, home string, args ...string) (exit int, printed string) {
	t.Helper()
	cmd := command(t.Context(), append(args, "--home", home)...)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestABadTicketAndAChangedPolicyAreInTheAuditLog(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	start(t, home, e)
	c := operator(t, e, a)
	ask := func(id string) int32 {
		t.Helper()
		r, err := c.StartScript(t.Context(), tentacle.StartScriptCommandV2{ScriptTicket: ticket(id), ScriptBody: "true"})
		if err != nil {
			t.Fatal(err)
		}
		return r.ExitCode
	}
	if code := ask("../escape"); code != tentacle.ExitBadTicket {
		t.Errorf("a bad ticket ends %d", code)
	}
	policy := filepath.Join(home, ".tentacle", "policy.yaml")
	for content, code := range map[string]int32{"operators: {\"*\": {requireEngine: true}}\n": tentacle.ExitRefused, "nonsense": tentacle.ExitRefused} {
		if err := os.WriteFile(policy, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ask("x"); got != code {
			t.Errorf("under %q a script ends %d", content, got)
		}
	}
	if err := os.Remove(policy); err != nil {
		t.Fatal(err)
	}
	ask("y")
	lines := said(audited(t, home))
	for _, want := range []string{"start refused;", "policy in force", "policy unusable", "policy gone", "start allowed y"} {
		if !strings.Contains(lines+";", want) {
			t.Errorf("the audit log lacks %q: %s", want, lines)
		}
	}
	if strings.Contains(lines, "escape") {
		t.Errorf("the log repeats a ticket that is none: %s", lines)
	}
}

func TestWhatAnOperatorDoesIsInTheAuditLogAndNoSecretIs(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	c := operator(t, e, a)
	const secret = "hunter2-hunter2"
	upload := func(path string) error {
		_, err := c.UploadFile(t.Context(), path, halibut.NewDataStreamBytes([]byte(secret)))
		return err
	}
	if err := upload("notes.txt"); err != nil {
		t.Fatal(err)
	}
	if err := upload(".tentacle/trust.json"); err == nil {
		t.Fatal("the trust was overwritten")
	}
	if _, err := c.DownloadFile(t.Context(), "notes.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DownloadFile(t.Context(), "Work/x"); err == nil {
		t.Fatal("a script's folder was read")
	}
	password := secret
	_, err := c.StartScript(t.Context(), tentacle.StartScriptCommandV2{
		ScriptTicket: ticket("one"), ScriptBody: "echo " + secret, TaskID: secret, Arguments: []string{secret},
		Files: []tentacle.ScriptFile{{Name: "values.json", Contents: halibut.NewDataStreamBytes([]byte(secret)), EncryptionPassword: &password}},
	})
	if err != nil {
		t.Fatal(err)
	}
	finish(t, c, "one")
	if err := c.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket("one")}); err != nil {
		t.Fatal(err)
	}
	facts, err := c.GetCapabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := tentacle.ParseFacts(facts).Audit
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	all := audited(t, home)
	want := "trust added; daemon started; trust bound; upload allowed notes.txt; upload refused .tentacle/trust.json; download allowed notes.txt; " +
		"download refused Work/x; start allowed one; complete allowed one; daemon ended"
	if got := said(all); got != want {
		t.Errorf("the audit log says\n%s\nwant\n%s", got, want)
	}
	for _, line := range all {
		if line.What == audit.Connection && line.Decision == audit.Refused {
			continue // start looks whether the port is open
		}
		own := line.What == audit.Daemon || line.What == audit.Trust
		if own == (line.User == "") || own == strings.HasPrefix(line.Peer, "127.0.0.1:") || !own && line.Operator != string(halibut.SHA256Thumbprint(a.Leaf)) {
			t.Errorf("who was it? %+v", line)
		}
	}
	if told.Count < 8 {
		t.Errorf("the operator was told the head %s", told)
	}
	ask(t, home, "audit", "verify", "--head", told.String())
	files, err := os.ReadDir(filepath.Join(home, ".tentacle", "audit"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(home, ".tentacle", "audit", f.Name()))
		if err != nil || bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s (%v) holds the secret:\n%s", f.Name(), err, content)
		}
	}
}

// A trusted operator must not be able to push its trail out of the audit log by what changes nothing.
func TestAnOperatorCannotFloodTheAuditLogWithWhatChangesNothing(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	c := operator(t, e, a)
	startScript(t, c, "ended", "true")
	finish(t, c, "ended")
	const times = 50
	for range times {
		_, err := c.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: ticket("ended")})
		if err == nil {
			err = c.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket("never")})
		}
		if err == nil {
			_, err = c.StartScript(t.Context(), tentacle.StartScriptCommandV2{ScriptTicket: ticket(".."), ScriptBody: "true"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.DownloadFile(t.Context(), ".tentacle/trust.json"); err == nil {
			t.Fatal("the trust was read")
		}
		if _, err := operator(t, e, a).GetCapabilities(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	all := audited(t, home)
	if len(all) > times { // a line or two a minute for each kind
		t.Errorf("%d lines tell of %d calls that changed nothing", len(all), 5*times)
	}
	sums := map[string]int64{}
	for _, line := range all {
		sums[line.What+" "+line.Decision] += max(line.Count, 1)
	}
	for what, want := range map[string]int64{"start allowed": 1, "cancel allowed": times, "complete allowed": times, "start refused": times, "download refused": times} {
		if sums[what] != want {
			t.Errorf("%s: the lines stand for %d, want %d", what, sums[what], want)
		}
	}
	if sums["connection allowed"] <= times {
		t.Errorf("the lines stand for %d connections", sums["connection allowed"])
	}
	ask(t, home, "audit", "verify")
}

func TestAnEditedAuditLogIsFoundByCommand(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	_, first := tentacletest.NewCertificate(t, "operator")
	initialise(t, home, first)
	for i := range 4 {
		ask(t, home, "trust", "add", fmt.Sprintf("%040d", i))
	}
	var shown struct{ Audit string }
	if err := json.Unmarshal(output(t, "show", "--json", "--home", home), &shown); err != nil || !strings.HasPrefix(shown.Audit, "5:") {
		t.Fatalf("show says %q, %v", shown.Audit, err)
	}
	file := filepath.Join(home, ".tentacle", "audit", "audit.jsonl")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"edited": {bytes.Replace(whole, []byte("0002"), []byte("0009"), 1), "audit.jsonl:4: it was edited"},
		"cut":    {bytes.Join(lines[:3], nil), "audit.jsonl:3: the tail was cut: the file head names line 5"},
	} {
		if err := os.WriteFile(file, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if exit, out := try(t, home, "audit", "verify"); exit != cli.ExitTampered || !strings.Contains(out, test.want) || !strings.Contains(out, "keep a copy") {
			t.Errorf("%s: exit code %d, %s", name, exit, out)
		}
	}
	if exit, out := try(t, home, "audit", "verify", "--head", "5"); exit != cli.ExitUsage || !strings.Contains(out, "COUNT:HASH") {
		t.Errorf("exit code %d, %s", exit, out)
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := ask(t, home, "audit", "verify", "--head", shown.Audit); !strings.Contains(out, "lines 1 to 5, in 1 files. Its head is "+shown.Audit) {
		t.Error(out)
	}
}

// waiting lists who is pending, once somebody is.
func waiting(t *testing.T, home string) (all []pending.Operator) {
	t.Helper()
	eventually(t, "somebody is pending", func() bool {
		if err := json.Unmarshal([]byte(ask(t, home, "trust", "pending", "--json")), &all); err != nil {
			t.Fatal(err)
		}
		return len(all) > 0
	})
	return all
}

func TestARefusedOperatorIsRememberedAndApproved(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, _ := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home)
	p := start(t, home, e)
	c := operator(t, e, a)
	if _, err := c.GetCapabilities(t.Context()); err == nil {
		t.Fatal("somebody whom nobody trusts is served")
	}
	got := waiting(t, home)[0]
	if got.SHA256 != halibut.SHA256Thumbprint(a.Leaf) || got.SHA1 != halibut.SHA1Thumbprint(a.Leaf) || got.Address != "127.0.0.1" || got.Count < 1 {
		t.Errorf("%+v", got)
	}
	p.kill()
	p = start(t, home, e)
	if after := waiting(t, home)[0]; after.Number != got.Number || !after.First.Equal(got.First) {
		t.Errorf("after a restart: %+v", after)
	}
	ask(t, home, "trust", "approve", fmt.Sprint(got.Number))
	if _, err := c.GetCapabilities(t.Context()); err != nil {
		t.Errorf("after it was approved: %v", err)
	}
	if out := ask(t, home, "trust", "pending", "--all"); !strings.Contains(out, "Nobody") {
		t.Error(out)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if out := ask(t, home, "trust", "pending", "--all"); !strings.Contains(out, "Nobody") {
		t.Errorf("the daemon wrote back what was approved: %s", out)
	}
	refused, approved := 0, 0
	for _, line := range audited(t, home) {
		switch {
		case line.What == audit.Connection && line.Decision == audit.Refused:
			refused += int(line.Count)
		case line.What == audit.Trust && line.Decision == "approved" && line.Operator == string(got.SHA256):
			approved++
		}
	}
	if refused < 1 || approved != 1 {
		t.Errorf("%d refused, %d approved", refused, approved)
	}
}

func TestAnIgnoredOperatorIsListedNoLonger(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, _ := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home)
	start(t, home, e)
	c := operator(t, e, a)
	_, _ = c.GetCapabilities(t.Context())
	got := waiting(t, home)[0]
	ask(t, home, "trust", "ignore", string(got.SHA1))
	_, _ = c.GetCapabilities(t.Context())
	if out := ask(t, home, "trust", "pending"); !strings.Contains(out, "Nobody") {
		t.Error(out)
	}
	if out := ask(t, home, "trust", "pending", "--all"); !strings.Contains(out, "ignored") {
		t.Error(out)
	}
	if exit, out := try(t, home, "trust", "approve", "99"); exit != cli.ExitFailed || !strings.Contains(out, "99 is not pending") {
		t.Errorf("exit code %d, %s", exit, out)
	}
}

// A ticket that waits for its turn when its operator's trust ends is refused, and the audit log says so.
func TestAWaitingScriptOfAnOperatorWhoseTrustEndsIsRefused(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "gone")
	b, second := tentacletest.NewCertificate(t, "stays")
	e := initialise(t, home, first, second)
	start(t, home, e)
	gone, stays := operator(t, e, a), operator(t, e, b)
	begun, goOn := filepath.Join(home, "begun"), filepath.Join(home, "go on")
	exclusive := func(c *tentacle.Client, id, body string) {
		r, err := c.StartScript(t.Context(), tentacle.StartScriptCommandV2{ScriptTicket: ticket(id), ScriptBody: body, Isolation: tentacle.FullIsolation})
		if err != nil || r.State == tentacle.Complete {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	exclusive(stays, "holds", "touch '"+begun+"'; while ! test -e '"+goOn+"'; do sleep 0.1; done")
	eventually(t, "the mutex is held", func() bool { return exists(begun) })
	exclusive(gone, "waits", "echo it ran > '"+filepath.Join(home, "ran")+"'")
	ask(t, home, "trust", "remove", string(first))
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	finish(t, stays, "holds")
	eventually(t, "the refusal is recorded", func() bool { return strings.Contains(said(audited(t, home)), "turn refused waits") })
	ask(t, home, "trust", "add", string(first))
	if code, _ := finish(t, gone, "waits"); code != tentacle.ExitRefused || exists(filepath.Join(home, "ran")) {
		t.Errorf("exit code %d, it ran: %v", code, exists(filepath.Join(home, "ran")))
	}
}

func TestAuditFollowsWhatIsAdded(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	initialise(t, home)
	ask(t, home, "trust", "add", fmt.Sprintf("%040d", 1))
	cmd := command(t.Context(), "audit", "-f", "--home", home)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 100)
	go func() {
		defer close(seen)
		buffer := make([]byte, 4096)
		for {
			n, err := out.Read(buffer)
			seen <- string(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	await := func(what string) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for text := ""; !strings.Contains(text, what); {
			select {
			case more := <-seen:
				text += more
			case <-deadline:
				t.Fatalf("%q is not followed: %s", what, text)
			}
		}
	}
	await(fmt.Sprintf("operator=%040d", 1))
	ask(t, home, "trust", "add", fmt.Sprintf("%040d", 2))
	await(fmt.Sprintf("operator=%040d", 2))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, failed := cmd.Wait().(*exec.ExitError); failed { //nolint:errorlint // it is this or nil
		t.Errorf("it ended with %s", cmd.ProcessState)
	}
}
