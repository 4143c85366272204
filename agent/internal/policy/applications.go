package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	applicationsVersion = 1
	// maxApplications is how many folders are remembered, for all operators and for one.
	maxApplications    = 20_000
	maxApplicationsOne = 2_000
	maxApplicationFile = 8 << 20
)

// Applications remembers which operator deployed first to each folder below Applications: it belongs to that operator as long as
// the machine trusts it. It is safe for concurrent use.
type Applications struct {
	home    home.Home
	trusted func(halibut.Thumbprint) bool

	mu     sync.Mutex
	read   bool
	owners map[string]application
	// fresh are those that were taken since this was made: their folder may still be made.
	fresh map[string]bool
}

type application struct {
	Operator halibut.Thumbprint `json:"operator"`
	Since    time.Time          `json:"since"`
}

// applicationFile is the file, by the name of the folder in lower case.
type applicationFile struct {
	Version int                    `json:"version"`
	Folders map[string]application `json:"folders"`
}

// OpenApplications returns those of a home. trusted tells whether the machine obeys an operator, by its SHA-256 thumbprint.
func OpenApplications(h home.Home, trusted func(halibut.Thumbprint) bool) *Applications {
	return &Applications{home: h, trusted: trusted, fresh: map[string]bool{}}
}

// take gives a folder to an operator, unless it is another's.
func (a *Applications) take(operator halibut.Thumbprint, folder string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.load(); err != nil {
		return refuse(RuleApplications, "it cannot be told to whom Applications/%s belongs: %s", folder, err)
	}
	key := strings.ToLower(folder) // as some systems do not tell the case apart
	had, found := a.owners[key]
	switch {
	case found && had.Operator == operator:
		return nil
	case found && (a.fresh[key] || a.exists(folder)) && a.trusted(had.Operator):
		return refuse(RuleApplications, "Applications/%s on this machine belongs to another operator, %s, which deployed there first; the machine's owner gives it to several with the rule applications of the policy, or ends the trust in that operator",
			folder, had.Operator)
	}
	if err := a.room(operator); err != nil {
		return err
	}
	a.owners[key] = application{Operator: operator, Since: time.Now().UTC().Truncate(time.Second)}
	if err := a.save(); err != nil {
		if delete(a.owners, key); found {
			a.owners[key] = had
		}
		return fmt.Errorf("noting to whom Applications/%s belongs: %w", folder, err)
	}
	a.fresh[key] = true
	return nil
}

// room refuses more folders than are remembered. Those that are no longer there are forgotten first.
func (a *Applications) room(operator halibut.Thumbprint) error {
	count := func() (own int) {
		for _, o := range a.owners {
			if o.Operator == operator {
				own++
			}
		}
		return own
	}
	if len(a.owners) < maxApplications && count() < maxApplicationsOne {
		return nil
	}
	for key := range a.owners {
		if !a.exists(key) {
			delete(a.owners, key)
			delete(a.fresh, key)
		}
	}
	if len(a.owners) < maxApplications && count() < maxApplicationsOne {
		return nil
	}
	return refuse(RuleApplications, "there are too many folders below Applications on this machine (%d, of which %d are this operator's); its owner removes those that nobody needs", len(a.owners), count())
}

func (a *Applications) exists(folder string) bool {
	_, err := os.Lstat(filepath.Join(a.home.Applications(), folder))
	return !errors.Is(err, fs.ErrNotExist)
}

func (a *Applications) path() string { return a.home.State("applications.json") }

func (a *Applications) load() error {
	if a.read {
		return nil
	}
	data, err := a.home.ReadState(a.path(), maxApplicationFile)
	if errors.Is(err, fs.ErrNotExist) {
		a.owners, a.read = map[string]application{}, true
		return nil
	}
	if err != nil {
		return err
	}
	var f applicationFile
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&f); err != nil {
		return fmt.Errorf("reading %s: %w; mend it, or remove it so that folders belong to who deploys there next", a.path(), err)
	}
	if f.Version != applicationsVersion {
		return fmt.Errorf("reading %s: it has version %d and this tentacle knows %d; use the tentacle that wrote it", a.path(), f.Version, applicationsVersion)
	}
	if a.owners, a.read = f.Folders, true; a.owners == nil {
		a.owners = map[string]application{}
	}
	return nil
}

func (a *Applications) save() error {
	data, err := json.Marshal(applicationFile{Version: applicationsVersion, Folders: a.owners})
	if err != nil {
		return fmt.Errorf("encoding the owners of applications: %w", err)
	}
	return home.WriteFile(a.path(), append(data, '\n'))
}
