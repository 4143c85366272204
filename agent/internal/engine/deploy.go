package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/api/step"
)

// deployPackage makes a package the current one, unless it is already installed by the strict rule. Where scripts have a
// user of their own, a worker of that user reads the archive.
func deployPackage(ctx context.Context, s *session) step.Result {
	j, err := s.journal()
	if err != nil {
		return s.failed(ctx, err)
	}
	var key []byte
	err = account.As(s.account, func() error {
		key, err = j.Key()
		return err
	})
	if err != nil {
		return s.failed(ctx, err)
	}
	digests := deploy.Digests(s.plan, s.secrets, key)
	if s.account.IsSelf() {
		return s.install(ctx, j, digests)
	}
	r, err := s.haveInstalled(ctx, digests)
	if err != nil {
		return s.failed(ctx, err)
	}
	return r
}

// haveInstalled has a worker of the account of scripts install the package.
func (s *session) haveInstalled(ctx context.Context, digests journal.Digests) (step.Result, error) {
	argv, err := s.place.engine()
	if err != nil {
		return step.Result{}, err
	}
	w, err := s.startWorker(s.account, "let that account run "+argv[0], append(argv[:len(argv):len(argv)], "--worker")...)
	if err != nil {
		return step.Result{}, err
	}
	o, err := s.delegate(ctx, w, s.account.Name, job{Deploy: &deployJob{Plan: s.plan, Operator: s.operator, Home: s.home, Digests: digests}})
	if err != nil {
		return step.Result{}, err
	}
	s.passOn(o)
	if o.Result == nil {
		return step.Result{}, errors.New("what installed the package told no result")
	}
	r := step.Result{ExitCode: o.Result.ExitCode, Reason: o.Result.Reason, Skipped: o.Result.Skipped}
	if len(r.Reason) > maxReason {
		r.Reason = step.ReasonDeployFailed
	}
	if r.Reason != "" {
		return r, nil
	}
	directory := o.Given[step.OutputPackageDirectory]
	if !deploy.IsDirectory(s.home, s.plan, directory) { // which is not masked, so it may be nothing else
		return step.Result{}, errors.New("what installed the package told no folder of it")
	}
	r.Outputs = packageOutputs(directory, s.plan.Deploy.Version)
	return r, nil
}

// maxReason is how long a reason that a worker tells may be.
const maxReason = 64

// install installs the package if it is not, and writes into the journal that it does.
func (s *session) install(ctx context.Context, j *journal.Journal, digests journal.Digests) step.Result {
	d := s.plan.Deploy
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
	r := step.Result{Skipped: installed, Outputs: packageOutputs(directory, d.Version)}
	s.end(j, row, r)
	s.options.reached("ended")
	return r
}

// packageOutputs are the outputs of an installed package. They are never masked: both are made of names that everybody can read,
// and the next step is to get them as they are.
func packageOutputs(directory, version string) map[string]string {
	return map[string]string{step.OutputPackageDirectory: directory, step.OutputPackageVersion: version}
}
