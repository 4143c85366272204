//go:build unix

package regular

import "syscall"

// NoWait keeps an open from waiting for the other end of a pipe.
const NoWait = syscall.O_NONBLOCK
