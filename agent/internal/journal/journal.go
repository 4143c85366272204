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
	maxRow  = 32 << 10
	maxRead = 64 << 20 // of the journal's end; what is older is no longer asked for
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
	turn   string // the file whose lock is the turn to use the journal; see turn.go
	as     func(func() error) error
}

// Open makes the folder where it is missing and returns its journal, which belongs to this process's user.
func Open(home string) (*Journal, error) {
	return OpenAs(home, func(f func() error) error { return f() })
}

// OpenAs is Open where the folder belongs to another account: as does something with the rights of that one.
func OpenAs(home string, as func(func() error) error) (*Journal, error) {
	j := &Journal{folder: filepath.Join(home, Folder), turn: turnFile(home), as: as}
	err := as(func() error {
		return os.MkdirAll(j.folder, 0o755) //nolint:gosec // what is deployed there runs as other users, too
	})
	if err != nil {
		return nil, fmt.Errorf("making the folder of applications: %w", err)
	}
	return j, nil
}

// As does something in the folder of applications with the rights of the account that it belongs to.
func (j *Journal) As(f func() error) error { return j.as(f) }

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
