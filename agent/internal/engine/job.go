package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mantledeploy/mantle/api/step"
)

// job is one script with everything that it is promised, wherever it is run. It travels to a worker as JSON.
type job struct {
	Shell  step.Shell `json:"shell"`
	Script string     `json:"script"`
	// Dir is where the script begins; empty is the folder that its files are in.
	Dir string `json:"dir,omitempty"`
	// Env goes over the environment of who runs it, as NAME=value.
	Env []string `json:"env,omitempty"`
	// Variables are those that are not sensitive.
	Variables map[string]string `json:"variables,omitempty"`
}

// outcome is how a job has ended. Failure says why there is no exit code, and Reason which reason of api/step
// that is, if a certain one.
type outcome struct {
	Code    int    `json:"code"`
	Failure string `json:"failure,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Outputs is the text of the file of outputs; OutputsFailure why it could not be read.
	Outputs        string `json:"outputs,omitempty"`
	OutputsCut     bool   `json:"outputsCut,omitempty"`
	OutputsFailure string `json:"outputsFailure,omitempty"`
}

// reasonError is an error that has a reason of api/step.
type reasonError struct {
	reason string
	err    error
}

func (e *reasonError) Error() string { return e.err.Error() }
func (e *reasonError) Unwrap() error { return e.err }

// job puts a script together with the values of its step.
func (s *session) job(r step.Run) (job, error) {
	env, err := s.values(r.Env)
	if err != nil {
		return job{}, err
	}
	j := job{Shell: r.Shell, Script: r.Script, Dir: r.WorkingDir, Env: env, Variables: map[string]string{}}
	for name, v := range s.plan.Variables {
		if v.Secret == nil {
			j.Variables[name] = v.Text
		}
	}
	return j, nil
}

// perform runs a job in this process's name, with its files in the session's folder.
func (s *session) perform(ctx context.Context, j job) (outcome, error) {
	files, err := s.writeFiles(j)
	defer files.remove(s)
	if err != nil {
		return outcome{}, err
	}
	command, err := find(j.Shell, files.script)
	if err != nil {
		return outcome{}, err
	}
	dir := s.folder
	if j.Dir != "" {
		if dir = j.Dir; !isFolder(dir) {
			return outcome{}, &reasonError{step.ReasonWorkingDirNotFound, fmt.Errorf(
				"the folder %s (workingDir) is not there, or the script's user may not enter it: make it, or let an earlier step do so", dir)}
		}
	}
	env := environment(files, j.Env)
	if err := fits(command, env, longest()); err != nil {
		return outcome{}, err
	}
	code, err := s.start(ctx, command, dir, env)
	if err != nil {
		return outcome{}, explain(err, env)
	}
	o := outcome{Code: code}
	if o.Outputs, o.OutputsCut, err = readOutputFile(files.outputs); err != nil {
		o.OutputsFailure = err.Error()
	}
	return o, nil
}

// isFolder says whether path is a folder that this process may enter.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	_, err = os.Lstat(path + string(os.PathSeparator) + ".")
	return !errors.Is(err, fs.ErrPermission)
}
