package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stagedTicket writes the ticket file of a new ticket and returns its folder.
func stagedTicket(t *testing.T, c *Content) (dir string, data []byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "t")
	file, err := StageTicket(dir, map[string]any{"version": Version, "ticket": "t"}, c)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	data, err = os.ReadFile(TicketFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	return dir, data
}

func TestWhatAStartAskedForComesBackAsItWasAndItsSecretsOnce(t *testing.T) {
	for name, want := range map[string]Content{
		"with secrets":       {Plan: []byte("{\n}"), Secrets: []byte("[\"\"]")},
		"without":            {Plan: []byte("{}")},
		"with none of them":  {Plan: []byte("{}"), Secrets: []byte{}},
		"that was not taken": {Problem: "too long"},
	} {
		dir, _ := stagedTicket(t, &want)
		got, err := takeContent(dir)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if _, err := takeContent(dir); err == nil {
			t.Errorf("%s: it is there twice", name)
		}
		var command struct{ Ticket string }
		if found, err := ReadCommand(dir, &command); !found || err != nil || command.Ticket != "t" {
			t.Errorf("%s: the command is gone: %v, %v, %+v", name, found, err, command)
		}
		if data, _ := os.ReadFile(TicketFile(dir)); want.Secrets != nil && bytes.Contains(data, []byte(`""`)) {
			t.Errorf("%s: the secrets are there still", name)
		}
	}
}

// A ticket file that the power cut before it was synced was never answered: it is not received and nothing of it is begun,
// whichever part of it is missing.
func TestATicketFileThatIsNotWholeWasNotReceived(t *testing.T) {
	dir, whole := stagedTicket(t, &Content{Plan: []byte("{\"a\":1}"), Secrets: []byte("[]")})
	if received, err := Received(dir); err != nil || !received {
		t.Fatal(received, err)
	}
	torn := map[string]func(n int) []byte{
		"cut":          func(n int) []byte { return whole[:n] },
		"zeros behind": func(n int) []byte { return append(bytes.Clone(whole[:n]), make([]byte, len(whole)-n)...) },
		"zeros before": func(n int) []byte { return append(make([]byte, n+1), whole[n+1:]...) },
	}
	for name, tear := range torn {
		for n := range whole {
			if err := os.WriteFile(TicketFile(dir), tear(n), 0o600); err != nil {
				t.Fatal(err)
			}
			if received, err := Received(dir); err != nil || received {
				t.Fatalf("%s at %d of %d: %v, %v", name, n, len(whole), received, err)
			}
			if _, err := takeContent(dir); err == nil {
				t.Fatalf("%s at %d of %d: it is carried out", name, n, len(whole))
			}
		}
	}
	if err := os.Remove(TicketFile(dir)); err != nil {
		t.Fatal(err)
	}
	if received, err := Received(dir); err != nil || received {
		t.Errorf("without a ticket file: %v, %v", received, err)
	}
	if found, err := ReadCommand(dir, &struct{}{}); err != nil || found {
		t.Errorf("without a ticket file its command is read: %v, %v", found, err)
	}
}

func TestATicketThatWasBegunIsReceivedWhateverIsLeftOfIt(t *testing.T) {
	dir, whole := stagedTicket(t, &Content{Plan: []byte("{}")})
	if _, made, err := Decide(dir, Result{}); err != nil || !made {
		t.Fatal(made, err)
	}
	for n := range whole {
		if err := os.WriteFile(TicketFile(dir), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if received, err := Received(dir); err != nil || !received {
			t.Fatalf("cut at %d of %d: %v, %v", n, len(whole), received, err)
		}
	}
}

func TestWhatIsNoTicketFileIsNotTakenForATornOne(t *testing.T) {
	for name, test := range map[string]struct {
		data  string
		newer bool
	}{
		"text":            {"{\"version\":1}\n", false},
		"a newer version": {"tentacle ticket 2\nany", true},
		"a much newer":    {"tentacle ticket 12\nany", true},
	} {
		dir, _ := stagedTicket(t, nil)
		if err := os.WriteFile(TicketFile(dir), []byte(test.data), 0o600); err != nil {
			t.Fatal(err)
		}
		if received, err := Received(dir); err != nil || !received {
			t.Errorf("%s: %v, %v", name, received, err)
		}
		if _, err := ReadCommand(dir, &struct{}{}); err == nil || errors.Is(err, ErrNewer) != test.newer {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An earlier version, which knows no ticket files, finds a command that it leaves alone.
func TestAnEarlierVersionLeavesATicketFileAlone(t *testing.T) {
	dir, _ := stagedTicket(t, nil)
	var command struct {
		Version int `json:"version"`
	}
	if found, err := ReadState(dir, CommandFile, &command); !found || err != nil || command.Version != Version+1 {
		t.Errorf("it reads %v, %v, %+v", found, err, command)
	}
}

func FuzzParseTicket(f *testing.F) {
	for _, c := range []*Content{nil, {Plan: []byte("{}")}, {Plan: []byte("{}"), Secrets: []byte("[]")}, {Problem: "too long"}} {
		data, err := encodeTicket(map[string]any{"version": 1}, c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Add([]byte("tentacle ticket 2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseTicket(data)
		if err != nil {
			return
		}
		if p.rest < ticketHead+recordHead+len(p.command) || p.rest > len(data) {
			t.Errorf("the command of %d bytes ends at %d of %d", len(p.command), p.rest, len(data))
		}
		if cut, err := parseTicket(data[:p.rest]); err != nil || !bytes.Equal(cut.command, p.command) || cut.whole || cut.content != nil {
			t.Errorf("without plan and secrets it is %+v, %v", cut, err)
		}
		if !json.Valid(p.command) || !p.whole { // another one may not be written in the same way
			return
		}
		again, err := encodeTicket(json.RawMessage(p.command), p.content)
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseTicket(again)
		if err != nil || !q.whole || !cmp.Equal(p.content, q.content) {
			t.Errorf("%+v, %+v, %v", p.content, q.content, err)
		}
	})
}
