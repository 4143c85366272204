package stage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Stage is a folder and the processes in it.
type Stage struct {
	// Root is the repository, Dir the folder of everything that is written.
	Root, Dir string
	// Kubeconfig is the path of the administrator's, once ControlPlane has returned.
	Kubeconfig string

	processes []*Process // the control plane is the first
	pipes     []io.Closer
}

// New makes the folder. It must be called in the repository's root.
func New(name string) (*Stage, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the repository: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "config", "crd")); err != nil {
		return nil, fmt.Errorf("run this from the repository's root: make %s", name)
	}
	dir, err := os.MkdirTemp("", "mantle-"+name+"-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return &Stage{Root: root, Dir: dir}, nil
}

// Path is a path in the folder.
func (s *Stage) Path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// Mark is a variable in the environment of all that runs on the machines of this stage.
func (s *Stage) Mark() string { return "MANTLE_STAGE=" + s.Dir }

// BinFolder is where make puts programs.
func (s *Stage) BinFolder() string { return filepath.Join(s.Root, "bin") }

// Program is a program that make has built; make tells where by an environment variable.
func (s *Stage) Program(name string) string {
	if path := os.Getenv("MANTLE_" + strings.ToUpper(name)); path != "" {
		return path
	}
	return filepath.Join(s.BinFolder(), name)
}

// Close ends every process and removes the folder: first those that start others, then what they left, and last the API.
func (s *Stage) Close() error {
	if len(s.processes) > 1 {
		end(s.processes[1:])
	}
	err := s.endStrays()
	for _, p := range s.pipes {
		_ = p.Close()
	}
	if len(s.processes) > 0 {
		end(s.processes[:1])
	}
	if removed := os.RemoveAll(s.Dir); removed != nil {
		err = errors.Join(err, fmt.Errorf("cleaning up: %w", removed))
	}
	return err
}
