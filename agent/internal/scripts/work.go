package scripts

import (
	"io/fs"
	"os"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// removeWork removes the folder of a script, also folders in it that the script has closed to itself. What it made
// as yet another user the account of scripts may not be able to remove; the daemon then does it by its own
// rights, where they are enough. Either way links are removed, not followed, and Work itself is not the scripts'
// to replace.
func (s *Store) removeWork(name string) error {
	at := s.workFolder(name)
	err := account.As(s.cfg.Account, func() error {
		err := os.RemoveAll(at)
		if err != nil && openAll(at) == nil {
			err = os.RemoveAll(at)
		}
		return err
	})
	if err != nil && !s.cfg.Account.IsSelf() {
		return os.RemoveAll(at)
	}
	return err
}

// openAll lets its owner write to a folder and all below it, as a folder without that cannot be emptied.
func openAll(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return root.Chmod(name, 0o700)
	})
}
