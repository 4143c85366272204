package engine

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

var fallbackTemp = os.Getenv("SystemRoot") + `\Temp`

// errNoUsers is why no step runs as another user here.
var errNoUsers = errors.New("a step cannot run as another user on Windows: leave out user, and let the Tentacle's service run as the account that the script needs")

func rootOf(dir string) string { return filepath.VolumeName(dir) + `\` }

func (s *session) runsAs(string) (*account.Account, bool, error) { return nil, false, errNoUsers }

func (s *session) findWorker(string, *account.Account) (*worker, error) { return nil, errNoUsers }
