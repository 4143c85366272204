package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/api/step"
)

// deployPackage makes a package the current one, unless it is already installed by the strict rule, and writes into the journal
// that it does.
func deployPackage(ctx context.Context, s *session) step.Result {
	j, err := s.journal()
	if err != nil {
		return s.failed(ctx, err)
	}
	key, err := j.Key()
	if err != nil {
		return s.failed(ctx, err)
	}
	digests := deploy.Digests(s.plan, s.secrets, key)
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
		var r step.Result
		if at, r = s.install(ctx); r.Reason != "" {
			s.end(j, row, r)
			return r
		}
	}
	return s.deployed(j, row, at, installed)
}

// install unpacks the package and makes it current. at is its folder, relative to that of applications. A result with a reason
// has failed. Where scripts have a user of their own, a worker of that user reads the archive.
func (s *session) install(ctx context.Context) (at string, failed step.Result) {
	var err error
	if s.account.IsSelf() {
		at, err = deploy.Install(ctx, s.home, s.plan, deploy.Options{At: s.options.at})
	} else {
		at, failed, err = s.haveInstalled(ctx)
	}
	if err != nil {
		failed = s.failed(ctx, err)
	}
	return at, failed
}

// haveInstalled has a worker of the account of scripts install the package.
func (s *session) haveInstalled(ctx context.Context) (at string, failed step.Result, err error) {
	argv, err := s.place.engine()
	if err != nil {
		return "", failed, err
	}
	w, err := s.startWorker(s.account, "let that account run "+argv[0], append(argv[:len(argv):len(argv)], "--worker")...)
	if err != nil {
		return "", failed, err
	}
	o, err := s.delegate(ctx, w, s.account.Name, job{Deploy: &deployJob{Plan: s.plan, Home: s.home}})
	if err != nil {
		return "", failed, err
	}
	s.passOn(o)
	if o.Result == nil {
		return "", failed, errors.New("what installed the package told no result")
	}
	if reason := o.Result.Reason; reason != "" {
		if len(reason) > step.MaxReason {
			reason = step.ReasonDeployFailed
		}
		return "", step.Result{ExitCode: o.Result.ExitCode, Reason: reason}, nil
	}
	at, ok := deploy.Relative(s.home, s.plan, o.Given[step.OutputPackageDirectory])
	if !ok { // which is not masked, so it may be nothing else
		return "", failed, errors.New("what installed the package told no folder of it")
	}
	return at, failed, nil
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
