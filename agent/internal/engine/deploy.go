package engine

import (
	"context"
	"fmt"

	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/api/step"
)

// deployPackage makes a package the current one, unless it is already installed by the strict rule.
func deployPackage(ctx context.Context, s *session) step.Result {
	j, err := s.journal()
	if err != nil {
		return s.failed(ctx, err)
	}
	key, err := j.Key()
	if err != nil {
		return s.failed(ctx, err)
	}
	d := s.plan.Deploy
	digests := deploy.Digests(s.plan, s.secrets, key)
	row := s.row()
	row.Package, row.Version, row.Digests = d.Package, d.Version, &digests
	at, installed, err := deploy.Installed(s.home, j, s.plan, digests)
	if err != nil {
		return s.failed(ctx, err)
	}
	if !installed {
		if err := s.begin(j, row); err != nil {
			return s.failed(ctx, err)
		}
		s.options.reached("begun")
		at, err = deploy.Install(ctx, s.home, s.plan, deploy.Options{At: s.options.at})
		if err != nil {
			r := s.failed(ctx, err)
			s.end(j, row, r)
			return r
		}
	}
	return s.deployed(j, row, at, installed)
}

// deployed writes down, and says, that the package is there.
func (s *session) deployed(j *journal.Journal, row journal.Row, at string, installed bool) step.Result {
	d := s.plan.Deploy
	directory := deploy.Directory(s.home, at)
	did := "is installed"
	if installed {
		did = "was already installed"
	}
	s.out.print(fmt.Sprintf("%s %s %s in %s", d.Package, d.Version, did, directory))
	row.Directory = at
	r := step.Result{Skipped: installed, Outputs: map[string]string{
		// Never masked: both are made of names that everybody can read, and the next step is to get them as they are.
		step.OutputPackageDirectory: directory,
		step.OutputPackageVersion:   d.Version,
	}}
	s.end(j, row, r)
	s.options.reached("ended")
	return r
}
