//go:build !linux

package account

import (
	"errors"
	"fmt"
)

func (a *Account) as(func() error) error {
	return fmt.Errorf("taking the rights of %s: %w", a, errors.ErrUnsupported)
}
