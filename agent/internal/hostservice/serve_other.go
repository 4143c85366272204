//go:build !windows

package hostservice

import (
	"context"
	"io"
)

// Serve runs the daemon for Windows' service manager, where that started this process. It is not served
// anywhere else: systemd wants a daemon as any shell does.
func Serve(context.Context, func(context.Context, io.Writer) error, func(error) (text string, code int, again bool)) (served bool, err error) {
	return false, nil
}
