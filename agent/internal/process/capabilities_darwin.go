package process

import (
	"fmt"
	"os"
)

// withoutCapabilities calls f: this system has none.
func withoutCapabilities(f func() error) error { return f() }

func privileges() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w the rights of root", ErrPrivilege)
	}
	return nil
}
