package step

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// The lines that call the engine, one for each shell of a Tentacle. A script that equals one of them,
// sent with a file PlanFile, is an engine call; everything else is a script of somebody's own. In Bash
// the engine takes the shell's place, so that it is what the Tentacle sees end and what it signals.
const (
	CommandBash       = `exec "$MANTLE_ENGINE" step --plan plan.json`
	CommandPowerShell = `& $env:MANTLE_ENGINE step --plan plan.json; exit $LASTEXITCODE`
)

// The files that travel with an engine call. SecretsFile is sent only where there are secrets.
const (
	PlanFile    = "plan.json"
	SecretsFile = "secrets.json"
)

// The mutexes that steps take.
const (
	// MutexSteps is taken by run and deploy alone; it is the one that Octopus's steps take too.
	MutexSteps = "RunningScript"
	// MutexQueries is shared by health and inventory, which so never wait for a deployment.
	MutexQueries = "Mantle"
)

// Timeout is how long a plan's step may take from the engine's start.
func (p Plan) Timeout() time.Duration {
	if p.TimeoutSeconds == 0 {
		return DefaultTimeout * time.Second
	}
	return time.Duration(p.TimeoutSeconds) * time.Second
}

// IsCall tells whether a command is an engine call on the given system (as runtime.GOOS names it): exactly what
// Command makes, as far as it decides what is executed. Then plan and secrets are its files; secrets is nil where
// there are none. The streams are not looked at.
func IsCall(c tentacle.StartScriptCommandV2, system string) (plan, secrets *halibut.DataStream, ok bool) {
	line := CommandBash
	if system == "windows" {
		line = CommandPowerShell
	}
	if c.BodyFor(system) != line || len(c.Arguments) > 0 {
		return nil, nil, false
	}
	for _, f := range c.Files {
		switch {
		case f.EncryptionPassword != nil || f.Contents == nil:
			return nil, nil, false
		case f.Name == PlanFile && plan == nil:
			plan = f.Contents
		case f.Name == SecretsFile && secrets == nil:
			secrets = f.Contents
		default:
			return nil, nil, false
		}
	}
	return plan, secrets, plan != nil
}

// Command is the message that starts a step on a Tentacle. It fills Version, Nonce and StepDigest where
// they are empty, and refuses a plan that is not valid or names a secret that is not there. All of
// secrets is masked in the step's output, whether the plan names it or not: where a value is made up of
// a secret and more, give both. Waiting for the mutex is bounded by the step's own timeout.
func Command(p Plan, secrets []string) (tentacle.StartScriptCommandV2, error) {
	var none tentacle.StartScriptCommandV2
	p = p.filled()
	if err := p.Validate(); err != nil {
		return none, err
	}
	if err := p.CheckSecrets(len(secrets)); err != nil {
		return none, err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return none, fmt.Errorf("encoding the plan: %w", err)
	}
	if len(data) > MaxPlanSize {
		return none, fmt.Errorf("plan: has %d bytes; at most %d are allowed", len(data), MaxPlanSize)
	}
	files := []tentacle.ScriptFile{{Name: PlanFile, Contents: halibut.NewDataStreamBytes(data)}}
	if len(secrets) > 0 {
		hidden, err := EncodeSecrets(secrets)
		if err != nil {
			return none, err
		}
		files = append(files, tentacle.ScriptFile{Name: SecretsFile, Contents: halibut.NewDataStreamBytes(hidden)})
	}
	isolation, mutex := tentacle.NoIsolation, MutexQueries
	if p.Kind == KindRun || p.Kind == KindDeploy {
		isolation, mutex = tentacle.FullIsolation, MutexSteps
	}
	return tentacle.StartScriptCommandV2{
		ScriptTicket:                tentacle.ScriptTicket{TaskID: p.Ticket},
		ScriptBody:                  CommandPowerShell,
		TaskID:                      p.Ticket,
		Isolation:                   isolation,
		ScriptIsolationMutexTimeout: halibut.TimeSpan(p.Timeout()),
		IsolationMutexName:          &mutex,
		Scripts:                     map[string]string{string(Bash): CommandBash},
		Files:                       files,
		Arguments:                   []string{},
	}, nil
}

// Brought is an engine that an operator brought to a machine whose Tentacle has none that fits.
type Brought struct {
	// Path and Home are the engine's program and the Tentacle's home, absolute, as the machine spells them.
	Path, Home string
}

// CommandFor is Command for a machine with an engine that was brought there. Its Tentacle may forget tickets, so the
// engine claims the plan's by itself: a start may be sent again, and the step still runs once.
func CommandFor(b Brought, p Plan, secrets []string) (tentacle.StartScriptCommandV2, error) {
	c, err := Command(p, secrets)
	if err != nil {
		return c, err
	}
	wait := halibut.TimeSpan(broughtWait)
	c.DurationToWaitForScriptToFinish = &wait
	c.ScriptBody = fmt.Sprintf(broughtPowerShell, QuotePowerShell(b.Path), ExitEngineMissing, QuotePowerShell(b.Home))
	c.Scripts = map[string]string{string(Bash): fmt.Sprintf(broughtBash, QuoteBash(b.Path), ExitEngineMissing, QuoteBash(b.Home))}
	return c, nil
}

// broughtWait is how long a Tentacle is asked to wait with its answer to a start, so that a short script needs no further
// request. Until then the operator has no output, and a cancel waits.
const broughtWait = time.Second

// The calls of an engine that was brought: its path, the exit code where it is missing, the home.
const (
	broughtBash = `engine=%s
if [ ! -x "$engine" ]; then echo "the engine $engine is gone" >&2; exit %d; fi
exec "$engine" step --home %s --plan plan.json --claims
`
	broughtPowerShell = `$engine = %s
if (-not (Test-Path -LiteralPath $engine -PathType Leaf)) { [Console]::Error.WriteLine("the engine $engine is gone"); exit %d }
& $engine step --home %s --plan plan.json --claims
exit $LASTEXITCODE
`
)

// QuoteBash makes one word of Bash of a text.
func QuoteBash(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// QuotePowerShell makes a literal of PowerShell of a text. PowerShell takes four more characters for a quote.
func QuotePowerShell(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range text {
		if r == '\'' || r >= 0x2018 && r <= 0x201b {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}

// filled is the plan with what can be derived.
func (p Plan) filled() Plan {
	if p.Version == 0 {
		p.Version = Version
	}
	if p.Nonce == "" {
		p.Nonce = Nonce(p.Ticket)
	}
	if p.StepDigest == "" && p.Kind == KindDeploy {
		p.StepDigest = DigestStep(p)
	}
	return p
}

// CheckSecrets tells whether every secret that the plan names is among n of them.
func (p Plan) CheckSecrets(n int) error {
	check := func(where string, v Value) error {
		if v.Secret != nil && *v.Secret >= n {
			return fmt.Errorf("plan: %s: secret %d is not among the %d given", where, *v.Secret, n)
		}
		return nil
	}
	for name, v := range p.Variables {
		if err := check(fmt.Sprintf("variables[%q]", name), v); err != nil {
			return err
		}
	}
	if p.Run == nil {
		return nil
	}
	for i, e := range p.Run.Env {
		if err := check(fmt.Sprintf("run.env[%d].value", i), e.Value); err != nil {
			return err
		}
	}
	return nil
}
