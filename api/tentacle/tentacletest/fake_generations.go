package tentacletest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Generation is whose Tentacle a Fake plays: Mantle's, or one of Octopus's. Those of Octopus have no tombstones and no
// owners of tickets, write their launcher's lines around a script, answer -1 for one that was cancelled, may say Complete
// before they tell the last line, answer with all the output that is new, however much it is, and keep files below
// Options.Root, which is their home.
type Generation int

// The generations. What tells them apart is what the recordings show (api/halibut/testdata).
const (
	// Mantle is Mantle's own.
	Mantle Generation = iota
	// Octopus5 has Halibut 4.3: script service V1 alone, no capabilities, no TLS 1.3, no types of errors.
	Octopus5
	// Octopus63 is the first with capabilities: script service V1.
	Octopus63
	// Octopus7 is the first with script service V2, and lists an alpha of V3 beside it.
	Octopus7
	// Octopus8 is like it; its connections end after a minute without a request.
	Octopus8
	// Octopus9 has TLS 1.3.
	Octopus9
)

// trait is what a generation has.
type trait struct {
	version                      string
	capabilities, v2, tls13, own bool
	// idle is how long a connection may be idle.
	idle time.Duration
	// also are capabilities that nobody here can use.
	also []string
}

func (g Generation) trait() trait {
	const patient = 10 * time.Minute
	return map[Generation]trait{
		Mantle:    {capabilities: true, v2: true, tls13: true, own: true, idle: patient},
		Octopus5:  {version: "5.0.15", idle: patient},
		Octopus63: {version: "6.3.864", capabilities: true, idle: patient},
		Octopus7:  {version: "7.1.189", capabilities: true, v2: true, idle: patient, also: []string{"IScriptServiceV3Alpha"}},
		Octopus8:  {version: "8.2.2629", capabilities: true, v2: true, idle: time.Minute},
		Octopus9:  {version: "9.2.4285", capabilities: true, v2: true, tls13: true, idle: time.Minute},
	}[g]
}

// Version is that of the generation's Tentacle; empty for Mantle's.
func (g Generation) Version() string { return g.trait().version }

// newestTLS is the newest version that the generation speaks; 0 is the newest that there is.
func (g Generation) newestTLS() uint16 {
	if g.trait().tls13 {
		return 0
	}
	return tls.VersionTLS12
}

// offered are those of all services that the generation has.
func (g Generation) offered(all []halibut.Service) []halibut.Service {
	has := g.trait()
	return slices.DeleteFunc(all, func(s halibut.Service) bool {
		switch s.Name {
		case tentacle.MantleScriptServiceName:
			return !has.own
		case tentacle.ScriptServiceV2Name:
			return !has.v2
		case tentacle.CapabilitiesServiceName:
			return !has.capabilities
		default:
			return false
		}
	})
}

// missing are the services that the generation lacks, as one of Halibut 4.3 answers for them: it has no types of errors,
// and closes on a message with a type that it does not know.
func (f *Fake) missing(g Generation) []halibut.Service {
	if g != Octopus5 {
		return nil
	}
	unknown := func(name string) error {
		text := "Service not found: " + name
		return &halibut.ServerError{Message: text, Details: "System.Exception: " + text +
			"\n   at Halibut.ServiceModel.DelegateServiceFactory.CreateService(String serviceName)"}
	}
	return []halibut.Service{
		{Name: tentacle.CapabilitiesServiceName, Methods: []halibut.Method{
			halibut.Method0("GetCapabilities", func(context.Context) (tentacle.CapabilitiesResponseV2, error) {
				return tentacle.CapabilitiesResponseV2{}, unknown(tentacle.CapabilitiesServiceName)
			}),
		}},
		{Name: tentacle.ScriptServiceV2Name, Methods: []halibut.Method{
			halibut.Method1("StartScript", func(ctx context.Context, _ tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
				return tentacle.ScriptStatusResponseV2{}, f.close(ctx)
			}),
			halibut.Method1("GetStatus", func(ctx context.Context, _ tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
				return tentacle.ScriptStatusResponseV2{}, f.close(ctx)
			}),
		}},
	}
}

func (f *Fake) close(ctx context.Context) error {
	if peer, ok := halibut.PeerFrom(ctx); ok {
		return Drop(ctx, f.connection(peer.Address))
	}
	return errDropped
}

// octopus tells whether the machine plays one of Octopus's.
func (m *machine) octopus() bool { return m.generation != Mantle }

// owner is whose a ticket is: on Octopus's, everybody's.
func (m *machine) owner(ctx context.Context) halibut.Thumbprint {
	if m.octopus() {
		return ""
	}
	return operator(ctx)
}

// launched runs a script between the lines of Octopus's launcher.
func (m *machine) launched(ctx context.Context, e *Execution) int32 {
	if !m.octopus() {
		return m.script(ctx, e)
	}
	mutex := tentacle.DefaultMutex
	if e.Command.IsolationMutexName != nil {
		mutex = *e.Command.IsolationMutexName
	}
	level := [...]string{"NoIsolation", "FullIsolation"}[min(max(e.Command.Isolation, 0), 1)]
	e.entry(tentacle.StdOut, "##octopus[stdout-verbose]")
	e.entry(tentacle.StdOut, fmt.Sprintf("Acquiring isolation mutex %s with %s in %s", mutex, level, e.Command.TaskID))
	e.entry(tentacle.StdOut, tentacle.StdoutDefault)
	e.entry(tentacle.Debug, "Executable directory is /bin")
	e.entry(tentacle.Debug, "Executable name or full path: /bin/bash")
	e.entry(tentacle.Debug, fmt.Sprintf("Starting /bin/bash in working directory '%s' using 'Unicode (UTF-8)' encoding running as 'root'", e.Folder))
	code := m.script(ctx, e)
	if ctx.Err() != nil {
		code = -1
	}
	e.entry(tentacle.Debug, fmt.Sprintf("Process /bin/bash in %s exited with code %d", e.Folder, code))
	return code
}

// early is a status as Octopus's Tentacles give it: the first that says Complete lacks the last line, as they read the
// output before the state.
func (m *machine) early(k *ticket, r tentacle.ScriptStatusResponseV2) tentacle.ScriptStatusResponseV2 {
	if !m.octopus() || r.State != tentacle.Complete || k.told || len(r.Logs) == 0 {
		return r
	}
	k.told = true
	r.Logs = r.Logs[:len(r.Logs)-1]
	r.NextLogSequence--
	return r
}

// environment is what Octopus's Tentacles give every script, beside their own.
func (m *machine) environment() []string {
	if !m.octopus() {
		return nil
	}
	return []string{"TentacleHome=" + m.root, "TentacleVersion=" + m.generation.Version()}
}

// write puts a file on the disk, with the folders on its way.
func write(full string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return err
	}
	return os.WriteFile(full, data, 0o600)
}

// local is where a path leads: into the home where it is relative, else anywhere, as on Octopus's.
func (m *machine) local(remotePath string) string {
	if path.IsAbs(remotePath) {
		return filepath.Clean(remotePath)
	}
	return filepath.Join(m.root, filepath.FromSlash(remotePath))
}

func (m *machine) download(remotePath string) (*halibut.DataStream, error) {
	content, err := os.ReadFile(m.local(remotePath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return halibut.NewDataStreamBytes(content), nil
}
