package project

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// soon and later are the pauses before missing objects are read again, before and after the project is Stalled. Secrets and
// ConfigMaps are not watched.
const soon, later = 3 * time.Second, 15 * time.Second

// verdict is the result of judge.
type verdict struct {
	Ready, Stalled  bool
	Reason, Message string
	// Digest of the process; empty for a spec with problems.
	Digest string
	// Again is when to reconcile again; 0 means when the spec changes.
	Again time.Duration
}

// judge decides without I/O.
func judge(f facts) verdict {
	if n := len(f.Problems); n > 0 {
		first := f.Problems[0]
		v := verdict{Stalled: true, Reason: v1alpha1.ReasonInvalid, Message: first.Path + ": " + first.Message}
		if n > 1 {
			v.Message += fmt.Sprintf(" (and %d more in status.problems)", n-1)
		}
		return v
	}
	v := verdict{Digest: scope.Digest(f.Project.Spec)}
	if len(f.Missing) == 0 {
		v.Ready, v.Reason = true, v1alpha1.ReasonValid
		v.Message = fmt.Sprintf("the process is valid: %s", count(len(v1alpha1.Leaves(f.Project.Spec.Steps)), "script or package", "scripts and packages"))
		return v
	}
	v.Reason, v.Message = waitFor(f.Missing)
	v.Stalled, _ = status.Absence(f.Project.Status.Conditions, v.Reason, f.Project.Generation, f.Now)
	if v.Again = soon; v.Stalled {
		v.Again = later
	}
	return v
}

// waitFor returns the reason and message for missing objects, with the remedy for the first.
func waitFor(all []missing) (reason, message string) {
	first := all[0]
	reason = v1alpha1.ReasonSecretNotFound
	if first.Kind != "Secret" {
		reason = v1alpha1.ReasonConfigMapNotFound
	}
	if first.NoKey {
		message = fmt.Sprintf("%s: %s %s has no key %s; add it", first.Path, first.Kind, first.Name, first.Key)
	} else {
		message = fmt.Sprintf("%s: there is no %s %s in this namespace; create it with the key %s", first.Path, first.Kind, first.Name, first.Key)
	}
	for _, m := range all[1:] {
		message += fmt.Sprintf("; also missing: %s %s, key %s", m.Kind, m.Name, m.Key)
	}
	return reason, message
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
