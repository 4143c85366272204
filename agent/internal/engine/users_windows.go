package engine

import (
	"errors"
	"os"
)

var fallbackTemp = os.Getenv("SystemRoot") + `\Temp`

// errNoUsers is why no step runs as another user here.
var errNoUsers = errors.New("a step cannot run as another user on Windows: leave out user, and let the Tentacle's service run as the account that the script needs")

func inheritWorker() *worker { return nil }

func (s *session) runsAs(string) (bool, error) { return false, errNoUsers }

func (s *session) findWorker(string) (*worker, error) { return nil, errNoUsers }
