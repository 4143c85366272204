package engine

import (
	"fmt"
	"os/exec"

	"github.com/mantledeploy/mantle/api/step"
)

// interpreter is how a script of one shell is started.
type interpreter struct {
	// programs are looked for in this order.
	programs []string
	// arguments are those before and including the script's path.
	arguments func(script string) []string
	// remedy says what to install.
	remedy string
}

// interpreters is the list of shells.
func interpreters() map[step.Shell]interpreter {
	return map[step.Shell]interpreter{
		step.Bash: {[]string{"bash", "/bin/bash", "/usr/bin/bash"}, plain,
			"install bash (on Windows, Git for Windows has one) and put it on the PATH of the Tentacle"},
		step.Python: {[]string{"python3", "python"}, plain,
			"install Python 3 and put python3 on the PATH of the Tentacle"},
		step.PowerShell: {powershells(), powershell,
			"install PowerShell (pwsh, https://aka.ms/powershell) and put it on the PATH of the Tentacle"},
	}
}

func plain(script string) []string { return []string{script} }

// interpreterError says that a machine lacks an interpreter, and what to do.
type interpreterError struct {
	shell  step.Shell
	remedy string
}

func (e *interpreterError) Error() string {
	return fmt.Sprintf("this machine has no %s: %s", e.shell, e.remedy)
}

// path is the first of its programs that this machine has; empty where it has none.
func (i interpreter) path() string {
	for _, name := range i.programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// find is the command line that runs a script.
func find(shell step.Shell, script string) ([]string, error) {
	i := interpreters()[shell]
	if path := i.path(); path != "" {
		return append([]string{path}, i.arguments(script)...), nil
	}
	return nil, &interpreterError{shell, i.remedy}
}
