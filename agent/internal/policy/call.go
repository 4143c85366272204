package policy

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
)

// Call is what the engine was called for, as far as a policy asks. It is kept with a ticket, so that the question can
// be asked again.
type Call struct {
	Kind step.Kind `json:"kind,omitempty"`
	// Interpreter is that of the script in the plan; empty where the plan has none, so that nothing runs but the engine.
	Interpreter step.Shell `json:"interpreter,omitempty"`
	// User and Folder are those that the plan names for the script; empty where it names none.
	User   string `json:"user,omitempty"`
	Folder string `json:"folder,omitempty"`
	// Application is the folder below Applications to which a package is deployed; empty where none is.
	Application string `json:"application,omitempty"`
	// Problem is why the plan cannot be read. The engine will refuse it too.
	Problem string `json:"problem,omitempty"`
}

// CallOf reads what a plan is going to do on this system.
func CallOf(plan []byte) *Call {
	p, err := step.DecodePlan(bytes.NewReader(plan))
	if err != nil {
		return &Call{Problem: err.Error()}
	}
	c := &Call{Kind: p.Kind}
	if p.Deploy != nil {
		c.Application = p.Namespace
	}
	switch {
	case p.Run != nil:
		c.Interpreter, c.User, c.Folder = p.Run.Shell, p.Run.User, p.Run.WorkingDir
	case p.Health != nil && runtime.GOOS == "windows" && p.Health.PowerShell != "":
		c.Interpreter = step.PowerShell
	case p.Health != nil && runtime.GOOS != "windows" && p.Health.Bash != "":
		c.Interpreter = step.Bash
	}
	return c
}

// Query tells whether the call only asks for something: health or inventory. These run beside deployments, and are
// counted apart from them. It may be called on nil, which is a raw script.
func (c *Call) Query() bool {
	return c != nil && (c.Kind == step.KindHealth || c.Kind == step.KindInventory)
}

// harmless is a query that runs nothing of the operator's.
func (c *Call) harmless() bool { return c.Query() && c.Interpreter == "" }

// inside tells whether a folder is one of those allowed, or in one, by its spelling and by where its links lead. What does not
// exist yet is judged by where it would be made, and what this process may not look at by its spelling alone.
func inside(allowed []string, folder string) bool {
	if !filepath.IsAbs(folder) || !within(allowed, filepath.Clean(folder)) {
		return false
	}
	resolved, err := resolve(filepath.Clean(folder))
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	return within(allowed, resolved) || within(resolveAll(allowed), resolved)
}

// resolve follows the links of a path as far as it exists. A link that leads to nothing is an error, as nobody can tell what
// will be at its end.
func resolve(path string) (string, error) {
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		resolved, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(resolved, rest), nil
		}
		if _, linked := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) || linked == nil || at == filepath.Dir(at) {
			return "", err
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

func resolveAll(folders []string) []string {
	var all []string
	for _, f := range folders {
		if resolved, err := resolve(f); err == nil {
			all = append(all, resolved)
		}
	}
	return all
}

func within(allowed []string, folder string) bool {
	for _, a := range allowed {
		rest, found := cutPrefix(folder, a)
		if found && (rest == "" || rest[0] == filepath.Separator || strings.HasSuffix(a, string(filepath.Separator))) {
			return true
		}
	}
	return false
}

// cutPrefix compares paths as the system does.
func cutPrefix(path, prefix string) (rest string, found bool) {
	if runtime.GOOS != "windows" {
		return strings.CutPrefix(path, prefix)
	}
	if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		return "", false
	}
	return path[len(prefix):], true
}
