package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
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
	// Deploy is a package to install, in the place of a script.
	Deploy *deployJob `json:"deploy,omitempty"`
}

// deployJob is a package to install. It holds no secret.
type deployJob struct {
	Plan step.Plan `json:"plan"`
	Home string    `json:"home"`
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
	// Warnings are those of a worker, which prints none.
	Warnings []string `json:"warnings,omitempty"`
	// Result is that of a package, and Given its outputs.
	Result *step.Result      `json:"result,omitempty"`
	Given  map[string]string `json:"given,omitempty"`
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

// perform runs a job in this process's name, as account a.
func (s *session) perform(ctx context.Context, j job, a *account.Account) (outcome, error) {
	folder, remove, err := s.place.folder(s, a)
	if err != nil {
		return outcome{}, err
	}
	defer remove()
	var files scriptFiles
	var cmd *exec.Cmd
	err = account.As(a, func() error {
		if files, err = writeFiles(folder, j); err == nil {
			cmd, err = command(j, files, cmp.Or(j.Dir, folder), s.envOf(a))
		}
		return err
	})
	defer func() {
		_ = account.As(a, func() error { files.remove(s); return nil })
	}()
	if err != nil {
		return outcome{}, err
	}
	env := cmd.Env // in which the step may have chosen another HOME than the account's
	process.Become(cmd, a)
	cmd.Env = env
	if err := fits(cmd.Args, env, longest()); err != nil {
		return outcome{}, err
	}
	code, err := s.start(ctx, cmd, a)
	if err != nil {
		return outcome{}, explain(err, env)
	}
	o := outcome{Code: code}
	err = account.As(a, func() error {
		o.Outputs, o.OutputsCut, err = readOutputFile(files.outputs)
		return err
	})
	if err != nil {
		o.OutputsFailure = err.Error()
	}
	return o, nil
}

// envOf is the environment of scripts of account a, without what the step adds.
func (s *session) envOf(a *account.Account) []string {
	if a == s.account || a.IsSelf() {
		return s.env
	}
	return a.Environment(s.env)
}

// command is the process that runs a script, without the user that it runs as.
func command(j job, files scriptFiles, dir string, env []string) (*exec.Cmd, error) {
	argv, err := find(j.Shell, files.script)
	if err != nil {
		return nil, err
	}
	if j.Dir != "" && !isFolder(dir) {
		return nil, &reasonError{step.ReasonWorkingDirNotFound, fmt.Errorf(
			"the folder %s (workingDir) is not there, or the script's user may not enter it: make it, or let an earlier step do so", dir)}
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // running what the plan says is the purpose; its end is signalled to a whole group
	cmd.Dir, cmd.Env = dir, environment(env, files, j.Env)
	return cmd, nil
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
