package engine

import (
	"context"
	"errors"
	"runtime"

	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/api/step"
)

// inventory tells what the machine holds.
func inventory(ctx context.Context, s *session) step.Result {
	inv, err := s.gather()
	if err != nil {
		return s.failed(ctx, err)
	}
	lines, err := step.FormatInventory(s.plan.Nonce, inv)
	if err != nil {
		return s.failed(ctx, err)
	}
	s.out.raw(lines...)
	return step.Result{}
}

func (s *session) gather() (step.Inventory, error) {
	inv := step.Inventory{OS: runtime.GOOS, Arch: runtime.GOARCH}
	j, err := s.journal()
	if err != nil {
		return inv, err
	}
	var installed error
	inv.Installed, installed = j.Installed(s.operator)
	err = j.As(func() error {
		var contents, free error
		inv.Contents, contents = deploy.Contents(s.home, s.operator)
		inv.FreeBytes, free = deploy.FreeBytes(s.home)
		return errors.Join(contents, free)
	})
	return inv, errors.Join(installed, err)
}
