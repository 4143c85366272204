package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// The head's file has two places of one length, written in turn: whatever ends a write, the other place is whole.
// A place is the count in 20 digits, a colon, the hash, and the first 8 digits of the digest of that.
const (
	headFile  = "head"
	headPlace = 20 + 1 + 64 + 1 + 8 + 1
)

// errNoHead says that there is no head where there should be one.
var errNoHead = errors.New("the head of the audit log is missing or unreadable")

// ReadHead returns the head that is kept beside the log in dir; where there is no log yet, that of no line.
func ReadHead(dir string) (Head, error) {
	head, err := readHead(dir)
	if errors.Is(err, errNoHead) {
		if names, listErr := list(dir); listErr == nil && len(names) == 0 {
			return beginning(), nil
		}
	}
	return head, err
}

func readHead(dir string) (Head, error) {
	path := filepath.Join(dir, headFile)
	data, err := home.ReadFile(path, 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, fmt.Errorf("%w: %s", errNoHead, path)
	}
	if err != nil {
		return Head{}, err
	}
	newest, found := Head{}, false
	for at := 0; at+headPlace <= len(data); at += headPlace {
		if head, ok := parsePlace(string(data[at : at+headPlace])); ok && (!found || head.Count > newest.Count) {
			newest, found = head, true
		}
	}
	if !found {
		return Head{}, fmt.Errorf("%w: %s", errNoHead, path)
	}
	return newest, nil
}

func parsePlace(line string) (Head, bool) {
	text, sum, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if !found || len(text) < 20 || sum != Digest([]byte(text))[:8] {
		return Head{}, false
	}
	count := strings.TrimLeft(text[:20], "0")
	if count == "" {
		count = "0"
	}
	head, err := tentacle.ParseAuditHead(count + text[20:])
	return head, err == nil
}

// writeHead keeps head beside the log. It is not synced: a head that is behind is caught up.
func writeHead(dir string, head Head) error {
	f, err := os.OpenFile(filepath.Join(dir, headFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = home.Adopt(f)
		if err == nil {
			_, err = f.WriteAt(place(head), head.Count%2*headPlace)
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("keeping the head of the audit log: %w", err)
	}
	return nil
}

// resetHead keeps head, also where a later one was kept.
func resetHead(dir string, head Head) error {
	blank := append(bytes.Repeat([]byte(" "), headPlace-1), '\n')
	return home.WriteFile(filepath.Join(dir, headFile), append(bytes.Repeat(blank, int(head.Count%2)), place(head)...))
}

func place(head Head) []byte {
	text := fmt.Sprintf("%020d:%s", head.Count, head.Hash)
	return fmt.Appendf(nil, "%s %s\n", text, Digest([]byte(text))[:8])
}
