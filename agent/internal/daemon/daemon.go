package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/files"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/agent/internal/pending"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/scripts"
	"github.com/mantledeploy/mantle/agent/internal/server"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// farewell is how long requests under way may take once the daemon is told to end.
const farewell = 5 * time.Second

// Options are what Run needs. Home, Executable and Log must be set.
type Options struct {
	// Home is the machine's Tentacle.
	Home home.Home
	// Sources are the environment and the flags; the file is read from the home.
	Sources config.Sources
	// Executable is this program, which supervises scripts and carries out their steps.
	Executable string
	// Version is told to operators.
	Version string
	// Log gets the log.
	Log io.Writer
	// Listening is told the address once the port is open (may be nil).
	Listening func(net.Addr)
	// Connected is called for every connection of an operator or a stranger (may be nil).
	Connected func()
}

// Run is the daemon of a home until ctx ends, which is no error. It fails with *home.RunningError where
// there is one already, with *home.ExposedError where others could change the home, and with errors that match
// ErrConfig, ErrState or ErrListen.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Home.CheckTrusted(os.Geteuid()); err != nil {
		return fmt.Errorf("this home is not safe to serve: %w", err)
	}
	asked, stop, err := o.Home.Reloads() // first: who reads the process id may signal it at once
	if err != nil {
		return fmt.Errorf("preparing to be told of changes: %w", err)
	}
	defer stop()
	lock, err := o.Home.LockDaemon()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	process.Protect()
	p, err := assemble(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	listener, err := server.Listen(ctx, p.config.Listen)
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrListen, p.config.Listen, err)
	}
	if o.Listening != nil {
		o.Listening(listener.Addr())
	}
	p.greet(listener.Addr(), o.Version)
	p.audit.Note(daemonEntry("started", o.Version))
	return p.serve(ctx, listener, asked)
}

// parts is a daemon that is put together.
type parts struct {
	home     home.Home
	config   config.Config
	account  *account.Account // of scripts
	identity *Identity
	logger   *slog.Logger
	trust    *trust.List
	policy   *policy.List
	files    *files.Store
	scripts  *scripts.Store
	server   *server.Server
	audit    *audit.Recorder
	pending  *pending.List
}

// assemble reads the home and settles what an earlier daemon left, without opening the port.
func assemble(o Options) (p *parts, err error) {
	p = &parts{home: o.Home}
	if p.config, err = Settings(o.Home, o.Sources); err != nil {
		return nil, err
	}
	if p.logger, err = newLogger(p.config, o.Log); err != nil {
		return nil, err
	}
	if p.identity, err = LoadIdentity(o.Home); err != nil {
		return nil, err
	}
	if p.trust, err = trust.Open(o.Home, p.logger); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	defer func(made *parts) { // p itself is nil where assemble fails
		if err != nil {
			err = errors.Join(err, made.close())
		}
	}(p)
	if err := p.openRecords(o); err != nil {
		return nil, err
	}
	if p.account, err = ScriptAccount(o.Home, p.config, o.Executable); err != nil {
		return nil, err
	}
	p.policy = p.openPolicy(o)
	if err := emptySpool(o.Home); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if p.files, err = files.Open(o.Home, p.account); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if err := p.files.Sweep(); err != nil {
		p.logger.Warn("uploads that an earlier start cut off are left where they are", "error", err)
	}
	if p.scripts, err = scripts.Open(p.scriptConfig(o)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	p.server, err = server.New(server.Config{
		Home: o.Home, Certificate: p.identity.Certificate, Trust: p.trust, Policy: p.policy, Scripts: p.scripts, ScriptsV1: p.scripts,
		Files: p.files, Facts: facts(o.Version), NoJournal: func() bool { return journal.Missing(o.Home.Dir()) }, StartReserve: scripts.MinFree, Page: p.config.Page, Audit: p.audit, Pending: p.pending,
		Logger: p.logger, Connected: o.Connected,
	})
	return p, err
}

func (p *parts) scriptConfig(o Options) scripts.Config {
	return scripts.Config{
		Home:       o.Home.Dir(),
		Supervisor: []string{o.Executable, "supervise"},
		Account:    p.account,
		Env:        environment(o.Home, o.Executable, o.Version, p.identity, !p.account.IsSelf()),
		Engine:     []string{o.Executable, "step"},
		Allowed:    p.allowed,
		Audit:      p.record,
		Hold:       holdStatus,
		Logger:     p.logger,
	}
}

// holdStatus is as long as Octopus's client has StartScript wait.
const holdStatus = 5 * time.Second

// emptySpool removes what was being received when an earlier daemon ended.
func emptySpool(h home.Home) error {
	if err := os.RemoveAll(h.Spool()); err != nil {
		return fmt.Errorf("emptying the spool: %w", err)
	}
	if err := os.Mkdir(h.Spool(), 0o700); err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	return nil
}

func (p *parts) greet(address net.Addr, version string) {
	operators, err := p.trust.Operators()
	if err == nil && len(operators) == 0 {
		p.logger.Warn("no operator is trusted yet", "remedy", "tentacle trust add THUMBPRINT")
	}
	if apart, why := ScriptsRunApart(p.home, p.config); apart {
		p.logger.Info("scripts run as another user", "user", p.account.String())
	} else {
		p.logger.Info("scripts can reach what belongs to the daemon", "why", why)
	}
	p.logger.Info("serving", "address", address.String(), "thumbprint", p.identity.SHA256, "sha1", p.identity.SHA1,
		"operators", len(operators), "version", version)
}

// serve answers until ctx ends or the port fails, and looks again at the trust when it is asked to.
func (p *parts) serve(ctx context.Context, l net.Listener, asked <-chan os.Signal) error {
	failed := make(chan error, 1)
	go func() { failed <- p.server.Serve(l) }()
	var failure error
	for serving := true; serving; {
		select {
		case err := <-failed:
			failure, serving = fmt.Errorf("%w %s: %w", ErrListen, l.Addr(), err), false
		case <-asked:
			p.reload()
		case <-ctx.Done():
			p.tellEnd()
			serving = false
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	failure = errors.Join(failure, p.server.Shutdown(end))
	p.audit.Note(daemonEntry("ended", ""))
	return failure
}

func (p *parts) reload() {
	p.policy.Reload()
	_, _ = p.policy.Policy() // which logs what is new
	p.trust.Reload()
	operators, err := p.trust.Operators()
	if err != nil {
		p.logger.Error("the list of trusted operators cannot be read; nobody is trusted until it can", "error", err)
	} else {
		p.logger.Info("the list of trusted operators was read again", "operators", len(operators))
	}
	p.server.TrustChanged()
	if err := p.pending.Sync(); err != nil {
		p.logger.Warn("writing the list of refused operators; the next refusal tries again", "error", err)
	}
}

// close gives everything back, in the reverse order. Scripts that run go on.
func (p *parts) close() error {
	var err error
	if p.scripts != nil {
		err = p.scripts.Close()
	}
	if p.files != nil {
		err = errors.Join(err, p.files.Close())
	}
	return errors.Join(err, p.closeRecords())
}

// facts are what operators are told beside the services.
func facts(version string) tentacle.Facts {
	return tentacle.Facts{Version: version, OS: goos, Arch: goarch, Engine: engineVersion}
}
