//go:build unix

package scripts

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// book is what was recorded.
type book struct {
	mu      sync.Mutex
	entries []audit.Entry
	failure error
}

func (b *book) write(_ context.Context, e audit.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure == nil {
		b.entries = append(b.entries, e)
	}
	return b.failure
}

func (b *book) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failure = err
}

// take returns what was recorded since, each as "what decision ticket".
func (b *book) take() (said string, all []audit.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var words []string
	for _, e := range b.entries {
		words = append(words, strings.TrimSpace(strings.Join([]string{e.What, e.Decision, e.Ticket, e.Rule}, " ")))
	}
	all, b.entries = b.entries, nil
	return strings.Join(words, ", "), all
}

func (b *book) want(t *testing.T, want string) []audit.Entry {
	t.Helper()
	said, all := b.take()
	if said != want {
		t.Errorf("recorded: %s\nwant: %s", said, want)
	}
	return all
}

func audited(t *testing.T, change ...func(*Config)) (*rig, *book) {
	b := &book{}
	return newRig(t, append(change, func(c *Config) { c.Audit = b.write })...), b
}

func TestWhatBecomesOfAScriptIsRecorded(t *testing.T) {
	r, b := audited(t)
	r.run(script("One", "echo one"))
	all := b.want(t, "start allowed One")
	if e := all[0]; e.Operator != operator || e.Script != audit.Digest([]byte("echo one")) || e.Plan != "" {
		t.Errorf("%+v", e)
	}
	r.start(script("one", "echo one")) // sent again
	b.want(t, "")
	r.start(script("ONE", "echo two"))
	all = b.want(t, "start differs One")
	if all[0].Script != audit.Digest([]byte("echo two")) {
		t.Errorf("%+v", all[0])
	}
	r.completeScript("One")
	r.start(script("One", "echo one"))
	b.want(t, "complete allowed One, start known One")
	r.start(script("two", "sleep 300"))
	r.cancelScript("two")
	r.cancelScript("two")
	r.await("two", 0)
	r.cancelScript("never")
	r.start(script("never", "echo late"))
	all = b.want(t, "start allowed two, cancel allowed two, cancel allowed never, start known never")
	if why := all[2].Reason; why != "" {
		t.Errorf("a cancel that forbids a start is told as one in vain: %s", why)
	}
	r.cancelScript("never")
	if all = b.want(t, "cancel allowed never"); all[0].Reason == "" {
		t.Error("a cancel of what is cancelled already is not told as one in vain")
	}
	r.start(tentacle.StartScriptCommandV2{ScriptTicket: tentacle.ScriptTicket{TaskID: "bad"}, ScriptBody: "true",
		Files: []tentacle.ScriptFile{{Name: "../x"}}})
	b.want(t, "start refused bad")
}

func TestARefusalIsRecordedWithItsRule(t *testing.T) {
	var mu sync.Mutex
	var refusal error
	r, b := audited(t, func(c *Config) {
		c.Allowed = func(policy.Start) (int64, error) {
			mu.Lock()
			defer mu.Unlock()
			return 0, refusal
		}
	})
	refuse := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		refusal = err
	}
	refuse(ruled{})
	r.start(script("night", "true"))
	b.want(t, "start refused night hours")
	refuse(nil)
	exclusive := func(id, body string) tentacle.StartScriptCommandV2 {
		c := script(id, body)
		c.Isolation = tentacle.FullIsolation
		return c
	}
	r.start(exclusive("first", "sleep 300"))
	r.start(exclusive("second", "true"))
	until(t, "the first one runs", func() bool { return r.status("first", 0).State == tentacle.Running })
	refuse(errors.New("not trusted"))
	r.cancelScript("first")
	if got := r.await("second", 0); got.ExitCode != tentacle.ExitRefused {
		t.Errorf("exit code %d", got.ExitCode)
	}
	all := b.want(t, "start allowed first, start allowed second, cancel allowed first, turn refused second")
	if last := all[len(all)-1]; last.Reason != "not trusted" || last.Operator != operator {
		t.Errorf("%+v", last)
	}
}

// ruled is a refusal by a rule.
type ruled struct{}

func (ruled) Error() string { return "not at night" }
func (ruled) Rule() string  { return "hours" }

func TestWhatCannotBeRecordedIsNotStarted(t *testing.T) {
	r, b := audited(t)
	marker, note := r.marker("ran")
	b.fail(errors.New("no space left"))
	_, err := r.StartScript(context.Background(), operator, script("one", note))
	if err == nil || !strings.Contains(err.Error(), "cannot be recorded") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
	if _, final := errors.AsType[halibut.FinalError](err); final {
		t.Error("it passes, so that the operator must be let try again")
	}
	if exists(r.inHome("Work", "one")) || exists(marker) {
		t.Error("something of it is there")
	}
	b.fail(nil)
	r.start(script("other", "sleep 300"))
	b.fail(errors.New("no space left"))
	r.cancelScript("other") // ends something, and must always be possible
	if got := r.await("other", 0); got.ExitCode != tentacle.ExitCanceled {
		t.Errorf("exit code %d", got.ExitCode)
	}
	r.completeScript("other")
	b.fail(nil)
	r.want(r.run(script("one", note)), 0, "")
	if content(marker) != "ran\n" {
		t.Errorf("it ran: %q", content(marker))
	}
}

func TestNoSecretIsRecorded(t *testing.T) {
	r, b := audited(t)
	const secret = "hunter2hunter2"
	password := secret
	c := script("one", "echo "+secret)
	c.Arguments = []string{secret}
	c.Files = []tentacle.ScriptFile{
		{Name: "values.json", Contents: halibut.NewDataStreamBytes([]byte(secret))},
		{Name: "locked", Contents: halibut.NewDataStreamBytes([]byte(secret)), EncryptionPassword: &password},
	}
	c.IsolationMutexName, c.TaskID = &password, secret
	r.run(c)
	r.start(c)
	r.completeScript("one")
	r.start(c)
	_, all := b.take()
	text, err := json.Marshal(all)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d lines, %v", len(all), err)
	}
	for _, hidden := range []string{secret, audit.Digest([]byte(secret)), audit.Digest([]byte(secret + "\n"))} {
		if strings.Contains(string(text), hidden) {
			t.Errorf("%s is in %s", hidden, text)
		}
	}
}
