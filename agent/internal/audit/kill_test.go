package audit

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// actAsWriter makes this test binary a process that writes lines until it is killed.
const actAsWriter = "AUDIT_TEST_WRITES"

func TestMain(m *testing.M) {
	if dir := os.Getenv(actAsWriter); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

// writeForEver prints a line for each line that is on the disk.
func writeForEver(dir string) {
	l, err := open(dir, slog.New(slog.DiscardHandler), 8<<10, 3)
	for i := 0; err == nil; i++ {
		l.Note(Entry{What: Connection, Decision: Refused, Count: int64(i)})
		if err = l.Append(Entry{What: Start, Ticket: fmt.Sprint(i)}); err == nil {
			fmt.Println(l.Head())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Lines are never lost, and what is left is a log that holds and goes on, at whatever instant the writer is killed.
func TestAKilledWriterLeavesALogThatHolds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 40
	if testing.Short() {
		kills = 5
	}
	r := newRig(t)
	told := beginning()
	for i := range kills {
		if head := writeAndKill(t, r, i%2 == 0, time.Duration(random.Int64N(int64(60*time.Millisecond)))); head.Count > 0 {
			told = head
		}
		report := r.verify(&told)
		if len(report.Findings) > 0 {
			t.Fatalf("after a kill: %+v", report.Findings)
		}
		if report.Head.Count < told.Count {
			t.Fatalf("line %d was said to be on the disk, and the log ends with %d", told.Count, report.Head.Count)
		}
	}
	if told.Count == 0 {
		t.Fatal("nothing was ever written")
	}
	r.write(1)
	r.sound()
}

// writeAndKill lets a process write for so long after it began, or after its first line, and returns the last head that
// it told.
func writeAndKill(t *testing.T, r *rig, begun bool, after time.Duration) Head {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actAsWriter+"="+r.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	patience := after
	if begun {
		patience = time.Minute
	}
	timer := time.AfterFunc(patience, kill)
	defer timer.Stop()
	var last Head
	in := newLines(out)
	for {
		data, whole, err := in.next()
		if err != nil {
			break
		}
		if whole {
			if last.Count == 0 && begun {
				timer.Reset(after)
			}
			if last, err = ParseHead(string(data[:len(data)-1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return last
}
