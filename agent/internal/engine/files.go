package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/api/step"
)

// maxOutputFile is how much of the file of outputs is read, in bytes.
const maxOutputFile = 4 * step.MaxOutputs

// scriptFiles are the files that a script finds in its folder, and that are removed when it has ended.
type scriptFiles struct {
	script, variables, outputs string
}

// writeFiles writes the script, the variables that are not sensitive, and an empty file for outputs.
func writeFiles(folder string, j job) (scriptFiles, error) {
	extension, content := form(j.Shell, j.Script)
	files := scriptFiles{
		script:    filepath.Join(folder, "mantle-script"+extension),
		variables: filepath.Join(folder, "mantle-variables.json"),
		outputs:   filepath.Join(folder, "mantle-outputs"),
	}
	variables, err := json.Marshal(j.Variables)
	if err != nil {
		return files, fmt.Errorf("encoding the variables: %w", err)
	}
	for _, f := range []struct {
		path string
		data []byte
	}{{files.script, content}, {files.variables, variables}, {files.outputs, nil}} {
		if err := writeNew(f.path, f.data); err != nil {
			return files, fmt.Errorf("writing the script's files: %w", err)
		}
	}
	return files, nil
}

// writeNew makes a file. It fails if something has the name already: another script of the user could have put a pipe there.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func (f scriptFiles) remove(s *session) {
	for _, path := range []string{f.script, f.variables, f.outputs} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.warn("a file of the step cannot be removed: " + err.Error())
		}
	}
}

// form is how a script lies on the disk: Bash reads no CRLF and no byte-order mark, which editors on Windows make, and
// Windows PowerShell takes a file for UTF-8 only with such a mark. Otherwise a script is left as it is.
func form(shell step.Shell, text string) (extension string, content []byte) {
	switch shell {
	case step.Bash:
		return ".sh", []byte(strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r\n", "\n"))
	case step.PowerShell:
		return ".ps1", []byte("\uFEFF" + strings.TrimPrefix(text, "\uFEFF"))
	case step.Python:
		return ".py", []byte(text)
	}
	return ".txt", []byte(text)
}

// readOutputFile reads the file of outputs, at most maxOutputFile bytes of it.
func readOutputFile(path string) (text string, cut bool, err error) {
	data, cut, err := regular.ReadFile(path, maxOutputFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return decodeText(data), cut, nil
}

// decodeText is data in UTF-8. PowerShell writes several encodings, and tells which by a byte-order mark: Windows PowerShell's `>>`
// begins a file so.
func decodeText(data []byte) string {
	for _, e := range []struct {
		mark   string
		decode func([]byte) string
	}{
		{"\xef\xbb\xbf", func(data []byte) string { return string(data) }},
		{"\xff\xfe\x00\x00", decodeUTF32(binary.LittleEndian)}, // it begins as the next one does
		{"\xff\xfe", decodeUTF16(binary.LittleEndian)},
		{"\xfe\xff", decodeUTF16(binary.BigEndian)},
		{"\x00\x00\xfe\xff", decodeUTF32(binary.BigEndian)},
	} {
		if rest, ok := bytes.CutPrefix(data, []byte(e.mark)); ok {
			return e.decode(rest)
		}
	}
	return string(data)
}

func decodeUTF16(order binary.ByteOrder) func([]byte) string {
	return func(data []byte) string {
		units := make([]uint16, len(data)/2)
		for i := range units {
			units[i] = order.Uint16(data[2*i:])
		}
		return string(utf16.Decode(units))
	}
}

func decodeUTF32(order binary.ByteOrder) func([]byte) string {
	return func(data []byte) string {
		var b strings.Builder
		for ; len(data) >= 4; data = data[4:] {
			r := utf8.RuneError
			if n := order.Uint32(data); n <= utf8.MaxRune {
				r = rune(n)
			}
			b.WriteRune(r)
		}
		return b.String()
	}
}
