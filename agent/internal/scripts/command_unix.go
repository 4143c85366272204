//go:build unix

package scripts

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const bootstrapName = "Bootstrap.sh"

// scriptBody chooses the script for this system: the one for Bash if there is one.
func scriptBody(cmd tentacle.StartScriptCommandV2) string {
	if body, ok := cmd.Scripts["Bash"]; ok {
		return body
	}
	return cmd.ScriptBody // an empty script is one; a null one is refused where the message is read
}

// bootstrap is the script as it is stored.
func bootstrap(body string) string { return strings.ReplaceAll(body, "\r\n", "\n") }

// scriptCommand is how the script in folder work is run (halibut.md section 6.4).
func scriptCommand(work string, arguments []string) process.Spec {
	args := []string{filepath.Join(work, bootstrapName)}
	return process.Spec{Path: "/bin/bash", Dir: work, Args: append(args, tentacle.SplitArguments(arguments)...)}
}

func freeBytes(dir string) (int64, error) {
	var stat syscall.Statfs_t
	err := syscall.Statfs(dir, &stat)
	return int64(stat.Bavail) * int64(stat.Bsize), err //nolint:unconvert // the types differ between systems
}

func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// isFull says whether err is of a disk, or a share of it, that has no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
