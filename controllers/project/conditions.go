package project

import (
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// describe sets the project's status from the verdict.
func describe(f facts, v verdict) {
	s := &f.Project.Status
	s.ObservedGeneration = f.Project.Generation
	s.Problems, s.ProcessDigest = f.Problems, v.Digest
	c := status.Conditions{List: &s.Conditions, Generation: f.Project.Generation, Now: f.Now}
	switch {
	case v.Ready:
		c.Ready(v.Reason, v.Message)
	case v.Stalled:
		c.Stalled(v.Reason, v.Message)
	default:
		c.Reconciling(v.Reason, v.Message)
	}
}
