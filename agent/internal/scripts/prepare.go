package scripts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// maxEncrypted bounds a file with a password, which is held in memory whole.
const maxEncrypted = 64 << 20

// badStartError is a start that will never be well. It becomes a status with the exit code.
type badStartError struct {
	code int32
	why  string
}

// Error is the line that the operator sees.
func (e badStartError) Error() string { return e.why }

// badName refuses a file for its name.
func badName(name, reason string) error {
	return badStartError{tentacle.ExitBadTicket, fmt.Sprintf("The file %.200q is refused: %s", name, reason)}
}

// prepare writes the ticket file, and the start into the audit log, and syncs both at the same time. A ticket file that is not
// whole, as it may be if the power fails meanwhile, was never received. What is no step has a folder, which is on the disk before:
// nobody could tell afterwards whether that is whole.
func (s *Store) prepare(ctx context.Context, t *ticket, cmd tentacle.StartScriptCommandV2, body string) error {
	if err := cmd.Isolation.Check(); err != nil {
		return badStartError{tentacle.ExitFatal, "The script is refused: " + err.Error()}
	}
	names, err := fileNames(cmd.Files, runtime.GOOS)
	if err != nil {
		return err
	}
	if err := s.checkSpace(cmd.Files); err != nil {
		return err
	}
	if err := process.RemoveTicket(t.dir); err != nil { // of a start that was never answered
		return err
	}
	content := t.content
	t.content = nil
	if !t.record.Process.Call {
		content = nil
		if err := s.writeWork(t.folder(), names, cmd.Files, body); err != nil {
			return err
		}
	}
	batch := &batch{}
	batch.dir(s.tickets)
	if err := batch.add(process.StageTicket(t.dir, t.record, content)); err != nil {
		return err
	}
	audited, launched := make(chan error, 1), make(chan struct{})
	go func() { audited <- s.auditStart(ctx, t) }()
	go func() { s.launchHeld(t); close(launched) }()
	err = errors.Join(batch.sync(), <-audited)
	<-launched
	return err
}

// writeWork writes and syncs the folder that the script sees, which belongs to the account of scripts. Others that run as
// it can get at the folder while it is written, so nothing of it is done with more rights than theirs.
func (s *Store) writeWork(id string, names []string, files []tentacle.ScriptFile, body string) error {
	b := &batch{account: s.cfg.Account}
	b.workDir(s.work)
	return errors.Join(s.fillWork(b, id, names, files, body), b.sync())
}

func (s *Store) fillWork(b *batch, id string, names []string, files []tentacle.ScriptFile, body string) error {
	work := s.workFolder(id)
	if err := s.removeWork(id); err != nil {
		return err
	}
	if err := account.As(b.account, func() error { return os.Mkdir(work, 0o700) }); err != nil {
		return err
	}
	b.workDir(work)
	if err := b.workFile(filepath.Join(work, bootstrapName), strings.NewReader(bootstrap(body))); err != nil {
		return err
	}
	for i, f := range files {
		if names[i] == "" {
			continue
		}
		err := account.As(b.account, func() error { return b.folders(work, path.Dir(names[i])) })
		if err != nil {
			return err
		}
		if err := writeScriptFile(b, filepath.Join(work, filepath.FromSlash(names[i])), f); err != nil {
			return err
		}
	}
	return nil
}

func writeScriptFile(b *batch, target string, f tentacle.ScriptFile) error {
	if f.Contents == nil {
		return b.workFile(target, strings.NewReader(""))
	}
	content, err := f.Contents.Open()
	if err != nil {
		return fmt.Errorf("reading file %.200q: %w", f.Name, err)
	}
	defer content.Close()
	if f.EncryptionPassword == nil || *f.EncryptionPassword == "" {
		return b.workFile(target, content)
	}
	plain, err := io.ReadAll(io.LimitReader(content, maxEncrypted+1))
	if err != nil {
		return fmt.Errorf("reading file %.200q: %w", f.Name, err)
	}
	if len(plain) > maxEncrypted {
		return badName(f.Name, "a file with a password has at most 64 MiB")
	}
	secret, err := encrypt(plain, *f.EncryptionPassword)
	if err != nil {
		return fmt.Errorf("encrypting file %.200q: %w", f.Name, err)
	}
	return b.workFile(target, strings.NewReader(string(secret)))
}

// fileNames returns the names of the files with slashes, or a badStartError for the first that leaves the
// folder or takes the script's place, or for too many. Of a name that comes twice the last file holds, as Octopus's Tentacle has it;
// the name of the others is empty. On Windows a backslash is a slash, and case does not matter.
func fileNames(files []tentacle.ScriptFile, system string) ([]string, error) {
	if len(files) > maxFiles {
		return nil, tooMany("Files", "files", len(files))
	}
	last := map[string]int{}
	names := make([]string, len(files))
	folders := map[string]bool{".": true}
	for i, f := range files {
		name, err := fileName(f.Name, system)
		if err != nil {
			return nil, err
		}
		key := name
		if system == onWindows {
			key = strings.ToLower(name)
		}
		if former, again := last[key]; again {
			names[former] = ""
		}
		last[key], names[i] = i, name
		for dir := path.Dir(name); !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
		if n := len(folders) - 1; n > maxFiles {
			return nil, tooMany("Files", "folders", n)
		}
	}
	return names, nil
}

// onWindows is the system whose names are others than they look.
const onWindows = "windows"

// fileName is the name of a file with slashes, or why it is none. One that would leave the folder on any system is none.
func fileName(given, system string) (string, error) {
	if len(given) > maxPath {
		return "", badName(given, fmt.Sprintf("a name has at most %d bytes", maxPath))
	}
	name, anywhere := given, strings.ReplaceAll(given, `\`, "/")
	if system == onWindows {
		name = anywhere
	}
	for _, n := range []string{name, anywhere} {
		if n == "" || strings.ContainsFunc(n, func(r rune) bool { return r < ' ' }) || !filepath.IsLocal(filepath.FromSlash(n)) {
			return "", badName(given, "a name must be a path inside the script's folder")
		}
	}
	name = path.Clean(name)
	if part := otherwiseNamed(name); part != "" && system == onWindows {
		return "", badName(given, fmt.Sprintf("Windows would make something else of the name %.200q", part))
	}
	if name == "." || strings.EqualFold(name, bootstrapName) {
		return "", badName(given, "the name is taken")
	}
	return name, nil
}

// otherwiseNamed returns the first part of a slash path that names a device of Windows, or ends in what
// Windows drops.
func otherwiseNamed(name string) string {
	for part := range strings.SplitSeq(name, "/") {
		if part != "." && (step.ReservedName(part) || strings.TrimRight(part, ". ") != part) {
			return part
		}
	}
	return ""
}

// checkSpace refuses a start for which there is too little room; an operator may try again later.
func (s *Store) checkSpace(files []tentacle.ScriptFile) error {
	free, err := freeBytes(s.cfg.Home)
	if err != nil {
		return fmt.Errorf("asking for free space: %w", err)
	}
	need := s.cfg.MinFree
	for _, f := range files {
		if f.Contents != nil {
			need += f.Contents.Len()
		}
	}
	if free < need {
		return fmt.Errorf("low disk space on this machine: %d MiB are free at %s, and starting the script needs %d MiB; make room and try again", free>>20, s.cfg.Home, need>>20)
	}
	return nil
}

func (s *Store) workFolder(id string) string { return filepath.Join(s.work, id) }
func (s *Store) journal(key string) string   { return filepath.Join(s.tickets, key) }

// discard removes what there is of a ticket: its own folder first, so that the journal tells of it until
// the end.
func (s *Store) discard(t *ticket) {
	remove := func() error {
		if err := s.removeWork(t.folder()); err != nil {
			return err
		}
		return process.RemoveTicket(t.dir)
	}
	err := remove()
	if err != nil && s.pause(breather) { // something was about to make a file there
		err = remove()
	}
	if err != nil {
		s.cfg.Logger.Warn("Removing a script's folders; they stay until the next start", "ticket", t.record.Ticket, "error", err)
	}
}
