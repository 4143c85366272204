package process

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// finish writes the result into the file that was allocated for it and gives that its name.
func (s *supervision) finish(result Result) {
	for _, stream := range s.streams {
		if stream != nil {
			stream.Close() // a line without an end
		}
	}
	s.writer.Close()
	result.Version, result.Entries, result.Ended = Version, s.writer.Last(), time.Now().UTC()
	data, err := encode(result)
	if err == nil {
		err = fill(s.result, data)
	}
	if err == nil {
		err = os.Rename(s.result.Name(), filepath.Join(s.dir, ResultFile))
	}
	if err == nil {
		s.daemon.tell(noteResult) // for a daemon of an earlier version
		s.daemon.close()          // which cannot be lost, as a byte can where the pipe is full
	} // else the ticket is Lost, which is what can be told of it
}

// resultSize is what a result may take on the disk.
const resultSize = 4096

// encode writes a result so that it fits into its file: a line that is too long for it loses its end.
func encode(result Result) ([]byte, error) {
	for {
		data, err := json.Marshal(result)
		if err != nil || len(data) < resultSize {
			return append(data, '\n'), err
		}
		result.Line = strings.ToValidUTF8(result.Line[:len(result.Line)/2], "") + " …"
	}
}

// allocate makes the file of the result, with room for it, so that a full disk does not lose an exit code.
func allocate(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "."+ResultFile+".new"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	return file, reserve(file, resultSize)
}

func fill(file *os.File, data []byte) error {
	if len(data) > resultSize {
		return fmt.Errorf("writing a result: %d bytes are too many", len(data))
	}
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return file.Close()
}
