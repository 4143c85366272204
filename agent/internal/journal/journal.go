package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Folder is the folder of all that is deployed, within the home.
const Folder = "Applications"

// File is the journal's name in Folder.
const File = "deployments.jsonl"

// The phases of a row.
const (
	Started   = "Started"
	Succeeded = "Succeeded"
	Failed    = "Failed"
)

const (
	maxRow   = 32 << 10
	maxRead  = 64 << 20 // of the journal's end; what is older is no longer asked for
	lockWait = 30 * time.Second
)

// Row is one line of the journal.
type Row struct {
	// Operator is who had the step done, by the SHA-256 thumbprint of its certificate. Empty in rows of earlier versions, and
	// where the Tentacle is not Mantle's.
	Operator    string    `json:"operator,omitempty"`
	Namespace   string    `json:"namespace"`
	Environment string    `json:"environment"`
	Project     string    `json:"project"`
	Release     string    `json:"release,omitempty"`
	Snapshot    string    `json:"snapshot,omitempty"`
	Run         string    `json:"run,omitempty"`
	RunUID      string    `json:"runUID"`
	Step        string    `json:"step"`
	Kind        string    `json:"kind"`
	Target      string    `json:"target,omitempty"`
	Ticket      string    `json:"ticket"`
	Final       bool      `json:"final,omitempty"`
	Package     string    `json:"package,omitempty"`
	Version     string    `json:"version,omitempty"`
	Directory   string    `json:"directory,omitempty"`
	Digests     *Digests  `json:"digests,omitempty"`
	Phase       string    `json:"phase"`
	Reason      string    `json:"reason,omitempty"`
	ExitCode    int       `json:"exitCode,omitempty"`
	Skipped     bool      `json:"skipped,omitempty"`
	Time        time.Time `json:"time"`
}

// Digests tell one deployment of a package from another. All are lower-case hex.
type Digests struct {
	// Content is the SHA-256 of the package's content.
	Content string `json:"content"`
	// Step is the digest of the evaluated step.
	Step string `json:"step"`
	// Secrets is an HMAC over the sensitive values, under the machine's key.
	Secrets string `json:"secrets"`
}

// Journal is the journal of one home. It holds no file open, and may be used by many processes.
type Journal struct {
	folder string
}

// Open makes the folder where it is missing and returns its journal.
func Open(home string) (*Journal, error) {
	folder := filepath.Join(home, Folder)
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // what is deployed there runs as other users, too
		return nil, fmt.Errorf("making the folder of applications: %w", err)
	}
	return &Journal{folder: folder}, nil
}

// Missing reports whether the home has no journal, so that nothing was ever deployed to the machine.
func Missing(home string) bool {
	_, err := os.Lstat(filepath.Join(home, Folder, File))
	return errors.Is(err, fs.ErrNotExist)
}

// Append adds a row, and with sync waits until it is on the disk.
func (j *Journal) Append(row Row, sync bool) error {
	line, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encoding a row of the journal: %w", err)
	}
	if len(line) > maxRow {
		return fmt.Errorf("a row of the journal has %d bytes; at most %d are allowed", len(line), maxRow)
	}
	return j.locked(true, func(f *os.File) error {
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		line = append(line, '\n')
		if last := make([]byte, 1); size > 0 {
			if _, err := f.ReadAt(last, size-1); err != nil {
				return err
			}
			if last[0] != '\n' {
				line = append([]byte{'\n'}, line...)
			}
		}
		if _, err := f.Write(line); err != nil {
			return err
		}
		if sync {
			if err := errors.Join(f.Sync(), syncFolder(j.folder)); err != nil {
				return err
			}
		}
		if size+int64(len(line)) > compactAt {
			_ = j.compact(f) // the next row tries again
		}
		return nil
	})
}

// Newest is the last row for which match is true.
func (j *Journal) Newest(match func(Row) bool) (row Row, found bool, err error) {
	err = j.each(func(r Row) {
		if match(r) {
			row, found = r, true
		}
	})
	return row, found, err
}

// each calls f for every row that can be read, oldest first.
func (j *Journal) each(f func(Row)) error {
	return j.locked(false, func(file *os.File) error {
		return eachLine(file, func(line []byte) {
			var row Row
			if json.Unmarshal(line, &row) == nil {
				f(row)
			}
		})
	})
}

// maxReplaced is how often the journal may be replaced while somebody waits for its lock.
const maxReplaced = 100

// locked opens the journal, takes its lock, and lets both go after f.
func (j *Journal) locked(exclusive bool, f func(*os.File) error) error {
	for range maxReplaced {
		if again, err := j.lockedOnce(exclusive, f); !again {
			return err
		}
	}
	return errors.New("using the journal: it is replaced again and again")
}

// lockedOnce is locked, but calls nothing where the journal was replaced while this waited for the lock of the former one.
func (j *Journal) lockedOnce(exclusive bool, f func(*os.File) error) (again bool, err error) {
	file, err := os.OpenFile(filepath.Join(j.folder, File), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return false, fmt.Errorf("opening the journal: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("closing the journal: %w", closeErr)
		}
	}()
	if err := lock(file, exclusive); err != nil {
		return false, fmt.Errorf("locking the journal: %w", err)
	}
	if same, err := j.current(file); err != nil || !same {
		return err == nil, err
	}
	if err := f(file); err != nil {
		return false, fmt.Errorf("using the journal: %w", err)
	}
	return false, nil
}

// lock tries until it has the lock, or lockWait is over. Closing the file releases it.
func lock(f *os.File, exclusive bool) error {
	for end := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // a lock of another process cannot be waited for with a deadline
		got, err := tryLock(f, exclusive)
		if err != nil || got {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("another process has held it for %s", lockWait)
		}
	}
}
