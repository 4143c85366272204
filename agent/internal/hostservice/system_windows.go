package hostservice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

const (
	// stopPatience bounds the wait for the daemon's end, startPatience that for its beginning.
	stopPatience  = 60 * time.Second
	startPatience = 60 * time.Second
	pause         = 100 * time.Millisecond
	// localSystem is the account of a service that names none.
	localSystem = "LocalSystem"
)

// System is Windows' service control manager. Its methods are for one caller at a time.
type System struct{ manager *mgr.Mgr }

// Open connects to the service control manager, which only administrators may.
func Open() (*System, error) {
	manager, err := mgr.Connect()
	if err != nil {
		return nil, fmt.Errorf("asking the service control manager: %w; run this in a console that was opened as administrator", err)
	}
	return &System{manager: manager}, nil
}

// Close gives back what Open took.
func (s *System) Close() error { return s.manager.Disconnect() }

func (s *System) open() (*mgr.Service, error) {
	service, err := s.manager.OpenService(Name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil, ErrNotInstalled
	}
	if err != nil {
		return nil, fmt.Errorf("opening the service: %w", err)
	}
	return service, nil
}

// Install makes the service, or changes it, and lets it start with the machine. It refuses to take a service
// from another home. The account gets access to the home's state folder, and must be one without a password:
// NT AUTHORITY\LocalService, NT SERVICE\tentacle, or a managed account.
func (s *System) Install(_ context.Context, o Options) (notes []string, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	service, err := s.put(o)
	if err != nil {
		return nil, err
	}
	defer service.Close()            //nolint:errcheck // nothing to do about it
	if err := grant(o); err != nil { // after the service, without which its own account does not exist
		return nil, err
	}
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: 3 * time.Second}
	if err := service.SetRecoveryActions([]mgr.RecoveryAction{again, again, again}, 60); err != nil {
		return nil, fmt.Errorf("setting what happens when the daemon fails: %w", err)
	}
	if err := eventlog.InstallAsEventCreate(Name, eventlog.Error|eventlog.Warning|eventlog.Info); err != nil {
		notes = append(notes, fmt.Sprintf("The event log keeps what it knows of the service: %s.", err))
	}
	return append(notes, fmt.Sprintf("The service %s starts with the machine, and logs to the event log (Application).", Name)), nil
}

// grant gives the account of the daemon access to the state folder.
func grant(o Options) error {
	if o.User == "" {
		return nil
	}
	h, err := home.Open(o.Home)
	if err != nil {
		return err
	}
	if err := h.Grant(o.User); err != nil {
		return fmt.Errorf("giving %s access to the home (--user): %w", o.User, err)
	}
	return nil
}

// put makes the service or changes the one that is there.
func (s *System) put(o Options) (*mgr.Service, error) {
	config := mgr.Config{
		ServiceType: windows.SERVICE_WIN32_OWN_PROCESS, StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		ServiceStartName: o.User, DisplayName: description, Description: "Lets trusted operators deploy to this machine.",
	}
	service, err := s.open()
	if errors.Is(err, ErrNotInstalled) {
		if service, err = s.manager.CreateService(Name, o.Executable, config, "run", "--home", o.Home); err != nil {
			return nil, fmt.Errorf("making the service: %w", err)
		}
		return service, nil
	}
	if err != nil {
		return nil, err
	}
	there, err := read(service)
	if err == nil && there.Home != "" && there.Home != o.Home {
		err = fmt.Errorf("the service serves the home %s already; a machine has one service: 'tentacle service uninstall' first", there.Home)
	}
	if err == nil {
		config.BinaryPathName = windows.ComposeCommandLine([]string{o.Executable, "run", "--home", o.Home})
		if config.ServiceStartName == "" {
			config.ServiceStartName = localSystem
		}
		err = service.UpdateConfig(config)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("changing the service: %w", err), service.Close())
	}
	return service, nil
}

// read returns what a service was made of.
func read(service *mgr.Service) (*Installed, error) {
	config, err := service.Config()
	if err != nil {
		return nil, fmt.Errorf("reading the service: %w", err)
	}
	there := &Installed{Where: Name}
	if config.ServiceStartName != localSystem {
		there.User = config.ServiceStartName
	}
	words, err := windows.DecomposeCommandLine(config.BinaryPathName)
	if err != nil || len(words) == 0 {
		return there, nil //nolint:nilerr // one of the owner's own hand tells nothing
	}
	there.Executable = words[0]
	if len(words) == 4 && words[1] == "run" && words[2] == "--home" {
		there.Home = words[3]
	}
	return there, nil
}

// Uninstall ends the daemon and removes the service. Scripts that run go on, and the home stays.
func (s *System) Uninstall(ctx context.Context) (notes []string, err error) {
	if err := s.Stop(ctx); err != nil {
		return nil, err
	}
	service, err := s.open()
	if err != nil {
		return nil, err
	}
	defer service.Close() //nolint:errcheck // nothing to do about it
	if err := service.Delete(); err != nil {
		return nil, fmt.Errorf("removing the service: %w", err)
	}
	_ = eventlog.Remove(Name) // its messages stay readable enough
	return []string{fmt.Sprintf("Removed the service %s.", Name)}, nil
}

// Start starts the daemon and returns when it runs.
func (s *System) Start(ctx context.Context) error {
	service, err := s.open()
	if err != nil {
		return err
	}
	defer service.Close() //nolint:errcheck // nothing to do about it
	if err := service.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return fmt.Errorf("starting the service: %w", err)
	}
	return await(ctx, service, svc.Running, startPatience)
}

// Stop ends the daemon and returns when it has ended. Scripts go on.
func (s *System) Stop(ctx context.Context) error {
	service, err := s.open()
	if err != nil {
		return err
	}
	defer service.Close() //nolint:errcheck // nothing to do about it
	if _, err := service.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return fmt.Errorf("stopping the service: %w", err)
	}
	return await(ctx, service, svc.Stopped, stopPatience)
}

// Restart ends the daemon, if it runs, and starts it.
func (s *System) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// await polls, as the service control manager tells nobody.
func await(ctx context.Context, service *mgr.Service, want svc.State, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		status, err := service.Query()
		if err != nil {
			return fmt.Errorf("asking for the state of the service: %w", err)
		}
		if status.State == want {
			return nil
		}
		if want == svc.Running && status.State == svc.Stopped {
			return fmt.Errorf("the daemon ended at once with the exit code %d; the event log (Application, source %s) says why", max(status.ServiceSpecificExitCode, status.Win32ExitCode), Name)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the service: %w; its state is %s", context.Cause(ctx), stateName(status.State))
		}
	}
}

// Status tells of the service.
func (s *System) Status(context.Context) (Status, error) {
	status := Status{Manager: "the service control manager"}
	service, err := s.open()
	if errors.Is(err, ErrNotInstalled) {
		return status, nil
	}
	if err != nil {
		return status, err
	}
	defer service.Close() //nolint:errcheck // nothing to do about it
	if status.Installed, err = read(service); err != nil {
		return status, err
	}
	now, err := service.Query()
	if err != nil {
		return status, fmt.Errorf("asking for the state of the service: %w", err)
	}
	config, err := service.Config()
	if err != nil {
		return status, fmt.Errorf("reading the service: %w", err)
	}
	status.Enabled, status.Running, status.Detail = config.StartType == mgr.StartAutomatic, now.State == svc.Running, stateName(now.State)
	return status, nil
}

func stateName(s svc.State) string {
	names := map[svc.State]string{
		svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
		svc.ContinuePending: "continuing", svc.PausePending: "pausing", svc.Paused: "paused",
	}
	return names[s]
}
