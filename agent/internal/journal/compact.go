package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	// compactAt is how long the journal may be before what is no longer asked for is left out of it.
	compactAt = 8 << 20
	// compactTo is how long it is afterwards at most: where what is asked for is longer, the oldest of that is left out, too.
	compactTo = compactAt / 2
	// compactName is the next journal while it is written.
	compactName = File + ".new"
)

// compact replaces the journal by one with the rows that are asked for: those of the newest run of each operator, environment and
// project, and the newest of each package. The caller has the lock. Where it fails, or the machine stops, the journal is as it was.
func (j *Journal) compact(file *os.File) error {
	lines, err := j.needed(file)
	if err != nil {
		return err
	}
	temporary := filepath.Join(j.folder, compactName)
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(next)
	for _, line := range lines {
		_, _ = w.Write(line) // Flush tells of an error
	}
	if err := errors.Join(w.Flush(), next.Sync(), next.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(j.folder, File)); err != nil {
		return err
	}
	return syncFolder(j.folder)
}

// needed are the lines that compact keeps, oldest first, each with its end.
func (j *Journal) needed(file *os.File) ([][]byte, error) {
	last := map[[5]string]int{}      // the newest row of each package
	newest := map[[4]string]string{} // the newest run of each project
	type run struct {
		project [4]string
		uid     string
	}
	seen := map[run]bool{}
	type kept struct {
		row  Row
		line []byte
	}
	var all []kept
	err := eachLine(file, func(line []byte) {
		var r Row
		if json.Unmarshal(line, &r) != nil {
			return
		}
		if r.Package != "" {
			last[packageOf(r)] = len(all)
		}
		if one := (run{projectOf(r), r.RunUID}); !seen[one] { // else it may be a late end of an older run
			seen[one] = true
			newest[one.project] = one.uid
		}
		all = append(all, kept{r, append(bytes.Clone(line), '\n')})
	})
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	size := 0
	for i := len(all) - 1; i >= 0; i-- {
		k := all[i]
		asked := newest[projectOf(k.row)] == k.row.RunUID || k.row.Package != "" && last[packageOf(k.row)] == i
		if !asked {
			continue
		}
		if size += len(k.line); size > compactTo {
			break
		}
		lines = append(lines, k.line)
	}
	slices.Reverse(lines)
	return lines, nil
}

func projectOf(r Row) [4]string {
	return [4]string{r.Operator, r.Namespace, r.Environment, r.Project}
}

func packageOf(r Row) [5]string {
	return [5]string{r.Kind, r.Namespace, r.Environment, r.Project, r.Package}
}

// eachLine calls f for every line of the journal's last part, without its end, oldest first.
func eachLine(file *os.File, f func(line []byte)) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	from := max(0, size-maxRead)
	lines := newLineReader(io.NewSectionReader(file, from, size-from))
	if from > 0 {
		_, _ = lines.next() // The rest of a line.
	}
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			f(line)
		}
	}
}

// current tells whether an open file is the journal still, and not one that was replaced since.
func (j *Journal) current(file *os.File) (bool, error) {
	open, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(filepath.Join(j.folder, File))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the journal: %w", err)
	}
	return os.SameFile(open, named), nil
}
