package scripts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const bootstrapName = "Bootstrap.ps1"

// scriptBody chooses the script for this system: always the body.
func scriptBody(cmd tentacle.StartScriptCommandV2) string {
	return cmd.ScriptBody // an empty script is one; a null one is refused where the message is read
}

// bootstrap is the script as it is stored: with the mark by which PowerShell knows UTF-8.
func bootstrap(body string) string { return "\ufeff" + body }

// scriptCommand is how the script in folder work is run (halibut.md section 6.4). PowerShell is asked for UTF-8, as it writes in the
// OEM code page otherwise; what is not UTF-8 is replaced in the output.
func scriptCommand(work string, arguments []string) process.Spec {
	shell := filepath.Join(os.Getenv("SystemRoot"), "System32", "WindowsPowershell", "v1.0", "PowerShell.exe")
	script := step.QuotePowerShell(filepath.Join(work, bootstrapName))
	line := fmt.Sprintf(`"%s" -NonInteractive -NoProfile -NoLogo -ExecutionPolicy Unrestricted -Command "$ErrorActionPreference = 'Stop'; `+
		`try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { }; `+
		`. {. %s %s; if ((test-path variable:global:lastexitcode)) { exit $LastExitCode }}"`,
		shell, script, strings.Join(arguments, " "))
	return process.Spec{Path: shell, CommandLine: line, Dir: work}
}

func freeBytes(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return int64(min(free, 1<<62)), err // #nosec G115 -- bounded
}

// isFull says whether err is of a disk, or a share of it, that has no room.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

func isNotFolder(err error) bool { return errors.Is(err, windows.ERROR_PATH_NOT_FOUND) }
