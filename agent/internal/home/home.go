package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// The folders of a home.
const (
	// StateFolder holds what belongs to the owner of the machine: identity, trust, tickets.
	StateFolder = ".tentacle"
	// WorkFolder holds one folder for each script.
	WorkFolder = "Work"
	// ApplicationsFolder holds what is deployed, and the engine's journal.
	ApplicationsFolder = "Applications"
	// FilesFolder holds what operators upload.
	FilesFolder = "Files"
)

// ErrNotInitialised is what Open returns for a folder that `tentacle init` has not prepared.
var ErrNotInitialised = errors.New("not initialised")

// ErrUnsafe is what Open returns for a state folder that others on the machine could read or change.
var ErrUnsafe = errors.New("unsafe permissions")

// Home is a resolved home. The zero value is of no use; make one by Open or Create. It holds no open
// file and may be copied.
type Home struct {
	dir   string
	given string
}

// Default is the home of a command that is not told another: for root /var/lib/tentacle on Linux
// (/usr/local/var/tentacle elsewhere), for others the folder tentacle in their own; on Windows the
// folder Tentacle of %ProgramData%.
func Default() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), "Tentacle")
	}
	if os.Geteuid() != 0 {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, "tentacle")
		}
	}
	if runtime.GOOS == "linux" {
		return "/var/lib/tentacle"
	}
	return "/usr/local/var/tentacle"
}

// Create makes the folders of a home where they are missing and resolves it. A state folder that
// exists already is closed to others: mode 0700; on Windows an access list for SYSTEM, administrators and
// the Tentacle's account.
func Create(dir string) (Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("resolving home %s: %w", dir, err)
	}
	for _, name := range []string{"", WorkFolder, ApplicationsFolder, FilesFolder} {
		if err := os.MkdirAll(filepath.Join(abs, name), 0o755); err != nil { // #nosec G301 -- what is deployed must be readable by those who run it
			return Home{}, fmt.Errorf("making the home's folders: %w; make the folder above by hand, or name another home with --home", err)
		}
	}
	state := filepath.Join(abs, StateFolder)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return Home{}, fmt.Errorf("making the state folder: %w", err)
	}
	if err := AsOwner(state, func() error { return closeState(state) }); err != nil {
		return Home{}, fmt.Errorf("closing the state folder to others: %w", err)
	}
	return Open(dir)
}

// Open resolves the home at dir, following links once and for all. It fails with ErrNotInitialised
// where there is no state folder, and with ErrUnsafe where others on the machine have access to it.
func Open(dir string) (Home, error) {
	given, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("resolving home %s: %w", dir, err)
	}
	resolved, err := filepath.EvalSymlinks(given)
	if errors.Is(err, fs.ErrNotExist) {
		return Home{}, fmt.Errorf("opening home %s: %w", given, ErrNotInitialised)
	}
	if err != nil {
		return Home{}, fmt.Errorf("resolving home %s: %w", given, err)
	}
	h := Home{dir: resolved, given: given}
	info, err := os.Lstat(h.State())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Home{}, fmt.Errorf("opening home %s: %w", given, ErrNotInitialised)
	case err != nil:
		return Home{}, fmt.Errorf("opening home %s: %w", given, err)
	case !info.IsDir():
		return Home{}, fmt.Errorf("opening home %s: %s is not a folder: %w", given, h.State(), ErrUnsafe)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return Home{}, fmt.Errorf("opening home %s: %s has mode %04o, want 0700: %w", given, h.State(), info.Mode().Perm(), ErrUnsafe)
	}
	return h, nil
}

// Dir is the home with all links resolved.
func (h Home) Dir() string { return h.dir }

// Given is the home as it was asked for, made absolute but with its links.
func (h Home) Given() string { return h.given }

// State is the state folder, or a path in it.
func (h Home) State(names ...string) string {
	return filepath.Join(append([]string{h.dir, StateFolder}, names...)...)
}

// Applications is the folder of what is deployed.
func (h Home) Applications() string { return filepath.Join(h.dir, ApplicationsFolder) }

// Config is the path of the configuration file.
func (h Home) Config() string { return h.State("config.yaml") }

// Key is the path of the private key (PEM, 0600).
func (h Home) Key() string { return h.State("key.pem") }

// Certificate is the path of the machine's certificate (PEM).
func (h Home) Certificate() string { return h.State("certificate.pem") }

// Trust is the path of the list of trusted operators.
func (h Home) Trust() string { return h.State("trust.json") }

// Policy is the path of the owner's rules for operators.
func (h Home) Policy() string { return h.State("policy.yaml") }

// Audit is the folder of the audit log.
func (h Home) Audit() string { return h.State("audit") }

// Pending is the path of the list of operators who were refused.
func (h Home) Pending() string { return h.State("pending.json") }

// Spool is the folder for what is being received. It is emptied when the daemon starts.
func (h Home) Spool() string { return h.State("spool") }
