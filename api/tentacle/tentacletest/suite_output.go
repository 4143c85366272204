package tentacletest

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/tentacle"
)

func itoa(n int) string { return strconv.Itoa(n) }

func outputCases() []testCase {
	return []testCase{
		{name: "both streams keep their order", run: streamsInOrder},
		{name: "any range of output can be asked for again", run: anyRange},
		{name: "last line without an end and empty lines are kept", run: oddLines},
		{name: "progress bar is a line each time that it is drawn", run: progress},
		{name: "bytes that are not UTF-8 are replaced", run: notUTF8},
		{name: "long line is split and whole", run: longLines},
		{name: "output comes while the script runs", run: outputWhileRunning},
		{name: "no line is the launcher's", run: noLauncherLines},
		{name: "state stays Running while output remains", run: outputInPieces},
		{name: "output beyond what is kept is cut in the middle", run: cutOutput, long: true},
		{name: "background process does not hold the script", run: backgroundProcess, long: true},
	}
}

func streamsInOrder(h *harness) {
	r := h.run(h.command("for i in $(seq 1 500); do echo out $i; echo err $i >&2; done"))
	var out, errs []string
	for i := range 500 {
		out, errs = append(out, "out "+itoa(i+1)), append(errs, "err "+itoa(i+1))
	}
	h.equal(out, r.lines(tentacle.StdOut))
	h.equal(errs, r.lines(tentacle.StdErr))
}

func anyRange(h *harness) {
	c := h.command("seq 1 100")
	all := h.run(c).logs
	total := int64(len(all))
	for _, last := range []int64{0, 1, 50, 99, 0, 73, total} {
		r := h.status(c.ScriptTicket, last)
		h.equal(all[last:], append([]tentacle.ProcessOutput{}, r.Logs...))
		if r.State != tentacle.Complete || r.ExitCode != 0 {
			h.Fatalf("after %d the state is %d, the exit code %d", last, r.State, r.ExitCode)
		}
	}
	if r := h.status(c.ScriptTicket, total+50); len(r.Logs) != 0 || r.NextLogSequence != total+50 {
		h.Fatalf("beyond the end: %+v", r)
	}
}

func oddLines(h *harness) {
	r := h.run(h.command(`printf '\n\na\n\n  b \nno end'; printf 'nor here' >&2`))
	h.equal([]string{"", "", "a", "", "  b ", "no end"}, r.lines(tentacle.StdOut))
	h.equal([]string{"nor here"}, r.lines(tentacle.StdErr))
}

// progress writes line ends of each kind; the line feed behind the pause belongs to the carriage return before it.
func progress(h *harness) {
	gate := h.scratch() + "/gate"
	c := h.command(`printf '10%%\r20%%\r'; until test -e '` + gate + `'; do sleep 0.1; done; printf '\ndone\r\nend\r\r'`)
	h.start(c)
	if r := h.until(c.ScriptTicket, begun("20%")); r.State != tentacle.Running {
		h.Errorf("its state is %d", r.State)
	}
	h.run(h.free("touch '" + gate + "'"))
	h.equal([]string{"10%", "20%", "done", "end", ""}, h.follow(c.ScriptTicket).lines(tentacle.StdOut))
}

func notUTF8(h *harness) {
	got := h.run(h.command(`printf 'a\xff\xfeb\n\xc3\xa9\xe2\x82\xac\n\xe2\x82\nend\x01\n'`)).lines(tentacle.StdOut)
	if len(got) != 4 {
		h.Fatalf("lines are %q", got)
	}
	bad := string(utf8.RuneError)
	if !strings.HasPrefix(got[0], "a"+bad) || !strings.HasSuffix(got[0], bad+"b") || !utf8.ValidString(got[0]) {
		h.Errorf("the first line is %q", got[0])
	}
	if got[1] != "é€" || !strings.HasPrefix(got[2], bad) || got[3] != "end\x01" {
		h.Errorf("the other lines are %q", got[1:])
	}
}

func longLines(h *harness) {
	for unit, times := range map[string]int{"x": 300_000, "€": 100_000} {
		body := "head -c " + itoa(times) + " /dev/zero | sed 's/\\x00/" + unit + "/g'; echo; echo next"
		got := h.run(h.command(body)).lines(tentacle.StdOut)
		if len(got) < 2 || got[len(got)-1] != "next" {
			h.Fatalf("%d entries", len(got))
		}
		line := strings.Join(got[:len(got)-1], "")
		if line != strings.Repeat(unit, times) {
			h.Errorf("of %d times %q %d bytes came, in %d entries, with %d replaced", times, unit, len(line), len(got)-1,
				strings.Count(line, string(utf8.RuneError)))
		}
	}
}

func outputWhileRunning(h *harness) {
	c := h.command("echo early; echo soon >&2; sleep 30")
	h.start(c)
	r := h.until(c.ScriptTicket, func(r tentacle.ScriptStatusResponseV2) bool { return begun("early")(r) && len(r.Logs) == 2 })
	if r.State != tentacle.Running || r.ExitCode != 0 || !printed("early")(r) || !printed("soon")(r) {
		h.Fatalf("while it runs: %+v", r)
	}
}

func noLauncherLines(h *harness) {
	r := h.run(h.command("echo only"))
	h.equal([]string{"only"}, r.lines(tentacle.StdOut))
	if n := len(r.logs); n != 1 {
		h.Fatalf("%d entries: %v", n, r.logs)
	}
}

// outputInPieces makes some 9 MiB, which WaitForStatus tells in pieces.
func outputInPieces(h *harness) {
	c := h.command("yes '" + strings.Repeat("0123456789", 10) + "' | head -n 60000; exit 6")
	c.DurationToWaitForScriptToFinish = seconds(60)
	h.start(c)
	h.waitForEnd(c.ScriptTicket)
	var r tentacle.ScriptStatusResponseV2
	pieces, lines, last := 0, 0, int64(0)
	for {
		var err error
		if r, err = h.a.WaitForStatus(h.ctx, tentacle.WaitForStatusCommandV1{Ticket: c.ScriptTicket, LastLogSequence: last}); err != nil {
			h.Fatalf("waiting for %s: %v", c.ScriptTicket.TaskID, err)
		}
		r.Logs = h.checkRange(r, c.ScriptTicket, last)
		if n := cost(r.Logs); n > tentacle.MaxResponse {
			h.Fatalf("a response carries %d bytes of output", n)
		}
		lines, last = lines+len(r.Logs), r.NextLogSequence
		pieces++
		if r.State == tentacle.Complete {
			break
		}
		if len(r.Logs) == 0 {
			h.Fatalf("the script has ended, and an empty response is not Complete")
		}
	}
	if lines != 60_000 || r.ExitCode != 6 || pieces < 3 {
		h.Fatalf("%d lines in %d pieces, exit code %d", lines, pieces, r.ExitCode)
	}
}

// waitForEnd returns when the script has ended, whatever of its output was read.
func (h *harness) waitForEnd(k tentacle.ScriptTicket) {
	h.Helper()
	const beyond = 1 << 40
	for h.status(k, beyond).State != tentacle.Complete {
		h.nap()
	}
}

// cutOutput makes 65 MB: 40 of its beginning and 10 of its end are kept, give or take what is written at a time.
// What was cut may keep its numbers.
func cutOutput(h *harness) {
	c := h.command("yes | sed 's/.*/" + strings.Repeat("x", 980) + "/' | head -n 65000 | cat -n")
	h.gaps = true
	h.start(c)
	h.waitForEnd(c.ScriptTicket)
	r := h.follow(c.ScriptTicket)
	own := func(o tentacle.ProcessOutput) bool { return strings.HasSuffix(o.Text, "xxxx") }
	cut := slices.IndexFunc(r.logs, func(o tentacle.ProcessOutput) bool { return !own(o) })
	if cut < 0 || slices.ContainsFunc(r.logs[cut+1:], func(o tentacle.ProcessOutput) bool { return !own(o) }) {
		h.Fatalf("wanted one entry that tells what was cut, among %d", len(r.logs))
	}
	head, tail := r.logs[:cut], r.logs[cut+1:]
	if n := kept(head); n > 45<<20 || n < 37_000_000 {
		h.Errorf("the beginning has %d bytes", n)
	}
	if n := kept(tail); n > 15<<20 || n < 8_000_000 {
		h.Errorf("the end has %d bytes", n)
	}
	h.inSequence(head, 1)
	h.inSequence(tail, 65_000-len(tail)+1)
}

// inSequence checks lines that begin with a number.
func (h *harness) inSequence(lines []tentacle.ProcessOutput, first int) {
	h.Helper()
	for i, o := range lines {
		if number, _, _ := strings.Cut(strings.TrimSpace(o.Text), "\t"); number != itoa(first+i) {
			h.Fatalf("line %d has number %s", first+i, number)
		}
	}
}

func cost(logs []tentacle.ProcessOutput) int {
	n := 0
	for _, o := range logs {
		n += tentacle.EntryCost(o)
	}
	return n
}

// kept is what lines count for where they are kept: their bytes and their ends.
func kept(logs []tentacle.ProcessOutput) int {
	n := 0
	for _, o := range logs {
		n += len(o.Text) + 1
	}
	return n
}

func backgroundProcess(h *harness) {
	c := h.command("sleep 50 & echo $!; exit 2")
	r := h.run(c)
	if r.exitCode != 2 || len(r.lines(tentacle.StdOut)) != 1 {
		h.Fatalf("ended with %d: %v", r.exitCode, r.logs)
	}
	kill := h.run(h.command("kill " + r.lines(tentacle.StdOut)[0]))
	if kill.exitCode != 0 {
		h.Fatalf("what the script left running was not there any more: %v", kill.logs)
	}
}
