package process

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/regular"
)

// TicketFile is the ticket file of the ticket whose folder is dir.
func TicketFile(dir string) string { return dir + ticketSuffix }

// TicketOf returns the name of a ticket's folder from that of the folder or of the ticket file.
func TicketOf(name string) string { return strings.TrimSuffix(name, ticketSuffix) }

// StageTicket makes the folder and the ticket file of a ticket, and leaves the file open: the caller syncs it, and the folder
// that both are in, before the start is answered. c is nil for what is no step.
func StageTicket(dir string, command any, c *Content) (*os.File, error) {
	data, err := encodeTicket(command, c)
	if err == nil {
		err = makeFolder(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("writing a ticket file: %w", err)
	}
	file, err := writeNew(TicketFile(dir), os.O_EXCL, data)
	if err != nil {
		return nil, fmt.Errorf("writing a ticket file: %w", err)
	}
	return file, nil
}

// WriteTicket is StageTicket for what is no step, and syncs all of it.
func WriteTicket(dir string, command any) error {
	file, err := StageTicket(dir, command, nil)
	if err == nil {
		err = errors.Join(file.Sync(), file.Close(), SyncDir(filepath.Dir(dir)))
	}
	return err
}

// commandNote is in the place of the command file. It tells earlier versions, which know no ticket files, that a newer one has
// the ticket in hand, so that they leave it alone.
const commandNote = `{"version":2}` + "\n"

// makeFolder makes the folder of a ticket, if there is none.
func makeFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.WriteFile(filepath.Join(dir, CommandFile), []byte(commandNote), 0o600)
}

// RemoveTicket removes all there is of a ticket: the ticket file first, as without it nothing is ever started.
func RemoveTicket(dir string) error {
	if err := os.Remove(TicketFile(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

// ReadCommand reads into target what a start asked for. found is false where nobody has started the ticket, or where that
// is not whole. It fails with ErrNewer where a newer version wrote it.
func ReadCommand(dir string, target any) (found bool, err error) {
	t, err := readTicket(dir, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !receivedBefore(dir) {
			return false, nil
		}
		return ReadState(dir, CommandFile, target) // an earlier version
	case errors.Is(err, errTorn):
		return false, nil
	case err == nil:
		err = json.Unmarshal(t.command, target)
	}
	if err != nil {
		return false, fmt.Errorf("reading a ticket file: %w", err)
	}
	return true, nil
}

// Received says whether the start of a ticket may have been answered. It is not where the ticket file is missing or is not
// whole, unless somebody has begun the ticket, who does that afterwards: a supervisor removes plan and secrets.
func Received(dir string) (bool, error) {
	t, err := readTicket(dir, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return receivedBefore(dir), nil
	case err == nil && t.whole, errors.Is(err, ErrNewer):
		return true, nil
	case err != nil && !errors.Is(err, errTorn):
		return true, nil // it is no ticket file, whatever became of it
	}
	var command struct {
		Process Spec `json:"process"`
	}
	if err == nil && json.Unmarshal(t.command, &command) == nil && (Started{Boot: command.Process.Boot}).Rebooted() {
		return true, nil // it may have been begun, which need not be on the disk
	}
	sight, err := Look(dir)
	return err != nil || sight.State != Unclaimed, err
}

// receivedBefore is Received for a ticket of an earlier version.
func receivedBefore(dir string) bool {
	data, err := regular.ReadWhole(filepath.Join(dir, CommandFile), maxStateFile)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	for i, c := range data {
		if i == len(commandNote) || c != 0 && c != commandNote[i] {
			return true
		}
	}
	return false // ours, or what a power cut left of it
}

// takeContent reads plan and secrets of a step, and removes them.
func takeContent(dir string) (Content, error) {
	t, err := readTicket(dir, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return takeCall(dir) // an earlier version
	case err == nil && t.content == nil:
		err = errTorn
	case err == nil:
		err = os.Truncate(TicketFile(dir), int64(t.rest))
	}
	if err != nil {
		return Content{}, fmt.Errorf("reading the plan: %w", err)
	}
	return *t.content, nil
}

// RemoveContent removes the plan and the secrets of a step, if they are there.
func RemoveContent(dir string) error {
	t, err := readTicket(dir, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = removeCall(dir) // an earlier version
	case err == nil:
		err = os.Truncate(TicketFile(dir), int64(t.rest))
	}
	if err != nil {
		return fmt.Errorf("removing the secrets of a step: %w", err)
	}
	return nil
}

// readTicket reads a ticket file, or no more of it than the command.
func readTicket(dir string, all bool) (ticketFile, error) {
	file, err := os.OpenFile(TicketFile(dir), os.O_RDONLY|regular.NoWait, 0) // #nosec G304 -- a file of the ticket
	if err != nil {
		return ticketFile{}, err
	}
	defer file.Close()
	data := make([]byte, ticketHead+recordHead)
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ticketFile{}, err
	}
	data = data[:n]
	size := int64(maxTicketFile + 1)
	if !all {
		size = commandLength(data)
	}
	rest, err := io.ReadAll(io.LimitReader(file, size))
	if err != nil {
		return ticketFile{}, err
	}
	return parseTicket(append(data, rest...))
}

// commandLength is the length of the command by the first bytes of a ticket file; 0 if it is not there.
func commandLength(head []byte) int64 {
	if len(head) < ticketHead+recordHead {
		return 0
	}
	return min(int64(binary.BigEndian.Uint32(head[ticketHead+1:])), maxStateFile)
}
