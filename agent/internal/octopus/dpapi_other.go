//go:build !windows

package octopus

// unprotect cannot open what DPAPI made anywhere but on Windows.
func unprotect([]byte) ([]byte, error) { return nil, ErrWindows }
