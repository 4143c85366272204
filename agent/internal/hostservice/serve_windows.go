package hostservice

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// eventID is that of all entries: what is told them apart by is their text.
const eventID = 1

// Serve runs the daemon for Windows' service manager, where that started this process, until it is told to
// stop. run is the daemon, which writes its log to the event log; judge says, for the error with which it
// ended, what to tell the owner, its exit code, and whether it is to be started again. served is false, and
// nothing happened, in a process that a person started.
func Serve(ctx context.Context, run func(context.Context, io.Writer) error, judge func(error) (text string, code int, again bool)) (served bool, err error) {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return false, err
	}
	log, err := eventlog.Open(Name)
	if err != nil {
		return true, fmt.Errorf("opening the event log: %w", err)
	}
	defer log.Close() //nolint:errcheck // nothing to do about it
	return true, svc.Run(Name, &handler{ctx: ctx, run: run, judge: judge, log: log})
}

// handler is the daemon as the service control manager sees it.
type handler struct {
	ctx   context.Context //nolint:containedctx // Execute has none
	run   func(context.Context, io.Writer) error
	judge func(error) (string, int, bool)
	log   *eventlog.Log
}

// Execute runs the daemon until it is told to stop, or fails. A failure after which it is to be started again
// ends the process without a farewell, as only that makes the manager do so.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	status <- svc.Status{State: svc.StartPending}
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx, events{h.log}) }()
	status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	for {
		select {
		case err := <-ended:
			if err == nil {
				return false, 0
			}
			text, exit, again := h.judge(err)
			_ = h.log.Error(eventID, text)
			if again {
				os.Exit(exit)
			}
			return true, uint32(exit) // #nosec G115 -- exit codes are small
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending}
				cancel()
			}
		}
	}
}

// events writes each line of a log as an entry of the event log.
type events struct{ log *eventlog.Log }

// Write takes one line, as log/slog writes them.
func (e events) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	write := e.log.Info
	switch {
	case bytes.Contains(line, []byte("level=ERROR")) || bytes.Contains(line, []byte(`"level":"ERROR"`)):
		write = e.log.Error
	case bytes.Contains(line, []byte("level=WARN")) || bytes.Contains(line, []byte(`"level":"WARN"`)):
		write = e.log.Warning
	}
	return len(line), write(eventID, text)
}
