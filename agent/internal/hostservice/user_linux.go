package hostservice

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// checkUser makes sure that the daemon can use its home: the state folder must be its user's own, with what is in it.
func checkUser(o Options) error {
	if o.User == "" {
		return nil
	}
	who, err := process.LookupAccount(o.User)
	if errors.Is(err, process.ErrNoAccount) {
		return fmt.Errorf("%w (--user); make one with: useradd --system --no-create-home --shell /usr/sbin/nologin %s", err, o.User)
	}
	if err != nil {
		return err
	}
	state := filepath.Join(o.Home, home.StateFolder)
	info, err := os.Stat(state)
	if err != nil {
		return fmt.Errorf("looking at the home: %w", err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != who.UID {
		return fmt.Errorf("%s belongs to the user with the number %d and not to %s: chown -R %s: %s", state, stat.Uid, who, o.User, o.Home)
	}
	return checkFiles(o.Home)
}

// checkFiles makes sure that the daemon can read what it begins with.
func checkFiles(dir string) error {
	h, err := home.Open(dir)
	if err != nil {
		return err
	}
	for _, path := range []string{h.Key(), h.Certificate(), h.Config(), h.Trust(), h.Policy()} {
		err := h.CheckReadable(path)
		if unusable, ok := errors.AsType[*home.UnusableError](err); ok {
			return fmt.Errorf("%s (--user): %s", unusable.Error(), unusable.RemedyFor(h.State())) // whose remedy is for more than the one
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceFile gives a file new content at once, readable by all.
func replaceFile(path, text string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()) // #nosec G302 -- units are read by all
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
