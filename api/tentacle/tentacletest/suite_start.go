package tentacletest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func startCases() []testCase {
	return []testCase{
		{name: "script runs and tells its exit code", run: exitCodes},
		{name: "start waits for the end of a script", run: startWaits},
		{name: "start without a wait answers at once", run: startDoesNotWait},
		{name: "start sent again runs nothing again", run: startTwice},
		{name: "start sent ten times at once runs once", run: startConcurrently},
		{name: "start with another body is still the same ticket", run: startOtherBody},
		{name: "ticket is the same in any case", run: ticketInAnyCase},
		{name: "bad ticket is refused", run: badTickets},
		{name: "Bash body goes before the other", run: bashBody},
		{name: "body with CRLF runs", run: crlfBody},
		{name: "script reads nothing from its input", run: noInput},
		{name: "arguments are joined and split", run: arguments},
		{name: "files lie beside the script", run: filesArrive},
		{name: "file name that leaves the folder is refused", run: badFileNames},
		{name: "many scripts run beside one another", run: manyScripts},
	}
}

// marker makes a line of Bash that leaves a trace each time it runs, and a count of the traces.
func (h *harness) marker() (line string, count func() int) {
	file := filepath.Join(h.scratch(), "marks")
	return "echo x >> '" + file + "'\n", func() int {
		content, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			h.Fatalf("reading marks: %v", err)
		}
		return bytes.Count(content, []byte("\n"))
	}
}

func (h *harness) equal(want, got any) {
	h.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		h.Fatalf("-want +got:\n%s", diff)
	}
}

func exitCodes(h *harness) {
	for body, code := range map[string]int32{"exit 0": 0, "exit 3": 3, "exit 255": 255, "this-command-does-not-exist": 127, "": 0} {
		if r := h.run(h.command(body)); r.exitCode != code {
			h.Errorf("%q ended with %d, wanted %d: %v", body, r.exitCode, code, r.logs)
		}
	}
}

func startWaits(h *harness) {
	c := h.command("sleep 0.3; echo done; exit 4")
	c.DurationToWaitForScriptToFinish = seconds(30)
	r := h.start(c)
	if r.State != tentacle.Complete || r.ExitCode != 4 || !printed("done")(r) {
		h.Fatalf("the first response is %+v", r)
	}
}

func startDoesNotWait(h *harness) {
	for _, wait := range []*halibut.TimeSpan{nil, seconds(0), seconds(-1)} {
		c := h.command("sleep 20")
		c.DurationToWaitForScriptToFinish = wait
		began := time.Now()
		if r := h.start(c); r.State == tentacle.Complete || time.Since(began) > 15*time.Second {
			h.Errorf("with a wait of %v the answer came after %v: %+v", wait, time.Since(began), r)
		}
		h.tidy(c.ScriptTicket)
	}
}

func startTwice(h *harness) {
	mark, count := h.marker()
	c := h.command(mark + "echo once; sleep 0.3; echo done; exit 5")
	h.start(c)
	h.start(c)
	want := h.follow(c.ScriptTicket)
	if want.exitCode != 5 {
		h.Fatalf("exit code %d", want.exitCode)
	}
	after := h.start(c)
	h.equal(want.logs, after.Logs)
	if after.State != tentacle.Complete || after.ExitCode != 5 || count() != 1 {
		h.Fatalf("ran %d times, and the last start answered %+v", count(), after)
	}
}

func startConcurrently(h *harness) {
	mark, count := h.marker()
	c := h.command(mark + "echo once")
	content := strings.Repeat("x", 100_000)
	c.Files = []tentacle.ScriptFile{{Name: "f", Contents: halibut.NewDataStreamBytes([]byte(content))}}
	c.DurationToWaitForScriptToFinish = seconds(30)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			var r tentacle.ScriptStatusResponseV2
			err := h.again(func() (err error) {
				r, err = h.a.StartScript(h.ctx, c)
				return err
			})
			if err != nil || r.State != tentacle.Complete || r.ExitCode != 0 || !printed("once")(r) {
				h.Errorf("one of the starts: %+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if count() != 1 {
		h.Fatalf("ran %d times", count())
	}
	h.equal([]string{"once"}, h.follow(c.ScriptTicket).lines(tentacle.StdOut))
}

func startOtherBody(h *harness) {
	mark, count := h.marker()
	c := h.command("echo first")
	h.run(c)
	other := h.command(mark)
	other.ScriptTicket = c.ScriptTicket
	if r := h.run(other); count() != 0 || r.exitCode != 0 {
		h.Fatalf("the other body ran: %+v", r)
	}
}

func ticketInAnyCase(h *harness) {
	c := h.command("echo once; sleep 20")
	h.start(c)
	h.until(c.ScriptTicket, printed("once"))
	upper := tentacle.ScriptTicket{TaskID: strings.ToUpper(c.ScriptTicket.TaskID)}
	if r := h.status(upper, 0); r.State != tentacle.Running || !printed("once")(r) {
		h.Fatalf("in upper case it is %+v", r)
	}
	h.cancel(upper)
	if r := h.follow(c.ScriptTicket); r.exitCode != tentacle.ExitCanceled {
		h.Fatalf("cancelled in upper case it ended with %d", r.exitCode)
	}
}

func badTickets(h *harness) {
	for _, id := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a b", "ä", "a\nb", "a\x00b", strings.Repeat("a", 101)} {
		mark, count := h.marker()
		c := h.command(mark)
		c.ScriptTicket.TaskID = id
		c.DurationToWaitForScriptToFinish = seconds(1)
		r, err := h.a.StartScript(h.ctx, c)
		if err != nil {
			h.Errorf("ticket %q: %v", id, err)
			continue
		}
		h.refused(r, tentacle.ExitBadTicket)
		if count() != 0 {
			h.Errorf("ticket %q ran", id)
		}
		r, err = h.a.GetStatus(h.ctx, tentacle.ScriptStatusRequestV2{Ticket: c.ScriptTicket})
		if err != nil || r.State != tentacle.Complete || r.ExitCode != tentacle.ExitUnknownScript {
			h.Errorf("the status of ticket %q is %+v, %v", id, r, err)
		}
	}
}

func bashBody(h *harness) {
	c := h.command("exit 9")
	c.Scripts = map[string]string{tentacle.BashScript: "exit 5"}
	if r := h.run(c); r.exitCode != 5 {
		h.Fatalf("exit code %d", r.exitCode)
	}
}

func crlfBody(h *harness) {
	r := h.run(h.command("echo a\r\nexit 4\r\n"))
	h.equal([]string{"a"}, r.lines(tentacle.StdOut))
	if r.exitCode != 4 {
		h.Fatalf("exit code %d", r.exitCode)
	}
}

func noInput(h *harness) {
	r := h.run(h.command("if read -r line; then echo \"got $line\"; else echo nothing; fi"))
	h.equal([]string{"nothing"}, r.lines(tentacle.StdOut))
}

func arguments(h *harness) {
	c := h.command("printf '[%s]\\n' \"$@\"")
	quoted := `qu"ote\ $x`
	c.Arguments = []string{"plain", "two words", tentacle.QuoteArgument("kept together"), tentacle.QuoteArgument(quoted)}
	r := h.run(c)
	h.equal([]string{"[plain]", "[two]", "[words]", "[kept together]", "[" + quoted + "]"}, r.lines(tentacle.StdOut))
}

func filesArrive(h *harness) {
	blob := make([]byte, 700_000)
	for i := range blob {
		blob[i] = byte(31*i + i/256)
	}
	c := h.command("cat notes.txt; wc -c < blob.bin; od -An -tu1 -j699999 blob.bin | tr -d ' '; wc -c < empty; cat sub/deep/x; pwd | sed 's#.*/Work#Work#'")
	c.Files = []tentacle.ScriptFile{
		{Name: "notes.txt", Contents: halibut.NewDataStreamBytes([]byte("hello from a file\n"))},
		{Name: "blob.bin", Contents: halibut.NewDataStreamBytes(blob)},
		{Name: "empty", Contents: halibut.NewDataStreamBytes(nil)},
		{Name: "sub/deep/x", Contents: halibut.NewDataStreamBytes([]byte("deep\n"))},
	}
	got := h.run(c).lines(tentacle.StdOut)
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	last := byte((31*699_999 + 699_999/256) % 256)
	h.equal([]string{"hello from a file", "700000", itoa(int(last)), "0", "deep", "Work/" + c.ScriptTicket.TaskID}, got)
}

func badFileNames(h *harness) {
	for _, name := range []string{"", ".", "..", "../escaped", "a/../../escaped", "/tmp/escaped", `..\escaped`} {
		mark, count := h.marker()
		c := h.command(mark)
		c.Files = []tentacle.ScriptFile{{Name: name, Contents: halibut.NewDataStreamBytes([]byte("x"))}}
		c.DurationToWaitForScriptToFinish = seconds(1)
		h.refused(h.start(c), tentacle.ExitBadTicket)
		if count() != 0 {
			h.Errorf("the script with file %q ran", name)
		}
	}
}

func manyScripts(h *harness) {
	var all sync.WaitGroup
	few := make(chan struct{}, 8) // connections beside those of other cases, as an address has few before it is known
	for i := range 20 {
		all.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			c := h.command("echo " + itoa(i) + "; exit " + itoa(i))
			c.DurationToWaitForScriptToFinish = seconds(60)
			var r tentacle.ScriptStatusResponseV2
			err := h.again(func() (err error) {
				r, err = h.a.StartScript(h.ctx, c)
				return err
			})
			if err != nil || r.State != tentacle.Complete || int(r.ExitCode) != i || !printed(itoa(i))(r) {
				h.Errorf("script %d: %+v, %v", i, r, err)
			}
		})
	}
	all.Wait()
}
