package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Engine carries plans out on a machine: its Tentacle's own, or one that was brought.
type Engine struct{ brought *step.Brought }

// Command is the message that starts a plan.
func (e Engine) Command(p step.Plan, secrets []string) (tentacle.StartScriptCommandV2, error) {
	if e.brought == nil {
		return step.Command(p, secrets)
	}
	return step.CommandFor(*e.brought, p, secrets)
}

// engineTime bounds bringing an engine to a machine, and scriptTime each script for it.
const (
	engineTime = 10 * time.Minute
	scriptTime = 2 * time.Minute
)

// Engine is the machine's. One that is missing, or too old, is brought: once, however many ask at the same time. The
// error is an *UnfitError if that cannot be.
func (s *Session) Engine(ctx context.Context) (Engine, error) {
	facts, err := s.Facts(ctx)
	if err != nil {
		return Engine{}, err
	}
	if err := fits(facts); err != nil || facts.Engine >= step.Version {
		return Engine{}, err
	}
	select {
	case s.at.bringing <- struct{}{}:
		defer func() { <-s.at.bringing }()
	case <-ctx.Done():
		return Engine{}, ctx.Err()
	}
	if known := s.brought(); known != nil {
		return Engine{known}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	brought, err := s.bringEngine(ctx, facts)
	if err != nil {
		return Engine{}, err
	}
	s.remember(func(at *endpoint) { at.engine = &brought })
	return Engine{&brought}, nil
}

// brought is the engine that was brought to the machine; nil if none was.
func (s *Session) brought() *step.Brought {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.engine
}

// ForgetEngine has the engine that was brought to the machine looked for again: it is not there any more.
func (s *Session) ForgetEngine() { s.remember(func(at *endpoint) { at.engine = nil }) }

// surveyed is what the machine said of itself; nil if nobody asked.
func (s *Session) surveyed() *survey {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.survey
}

// bringEngine asks the machine what it is and has, and sends the engine that it lacks.
func (s *Session) bringEngine(ctx context.Context, facts tentacle.Facts) (step.Brought, error) {
	var digests []string
	for _, p := range s.pool.engines.all() {
		digests = append(digests, p.sha256)
	}
	nonce := rand.Text()
	lines, err := s.script(ctx, "survey", surveyScript(nonce, digests), facts)
	if err != nil {
		return step.Brought{}, err
	}
	found := readSurvey(nonce, lines)
	s.remember(func(at *endpoint) { at.survey = &found })
	if found.os == "" || found.arch == "" {
		return step.Brought{}, &UnfitError{v1alpha1.ReasonTentacleUnsupported, fmt.Sprintf("there is no Mantle engine for this machine, which calls itself %.100q; only linux, darwin and windows on amd64 and arm64 are supported", found.raw)}
	}
	p, err := s.pool.engines.find(found.os, found.arch)
	if err != nil {
		return step.Brought{}, err
	}
	path := found.engines[p.sha256]
	if path == "" {
		if path, err = s.sendEngine(ctx, p, facts); err != nil {
			return step.Brought{}, err
		}
	}
	return step.Brought{Path: path, Home: found.home}, nil
}

// sendEngine uploads an engine under a name of its own, and has it checked and renamed.
func (s *Session) sendEngine(ctx context.Context, p program, facts tentacle.Facts) (string, error) {
	part := p.sha256 + "." + strings.ToLower(rand.Text())
	r, err := s.UploadFile(ctx, enginesFolder+"/"+part, p.stream())
	if err != nil {
		return "", &UploadError{fmt.Errorf("sending the engine: %w", err)}
	}
	if r.Length != p.size || r.Hash == nil || !strings.EqualFold(*r.Hash, p.sha1) {
		return "", &UploadError{fmt.Errorf("sending the engine: %d of %d bytes arrived, or others", r.Length, p.size)}
	}
	nonce := rand.Text()
	lines, err := s.script(ctx, "engine", installScript(nonce, p.sha256, part), facts)
	if err != nil {
		return "", fmt.Errorf("installing the engine: %w", err)
	}
	path := readSurvey(nonce, lines).engines[p.sha256]
	if path == "" {
		return "", fmt.Errorf("installing the engine: the machine does not say that it has it: %.200q", strings.Join(lines, " / "))
	}
	return path, nil
}

// script runs a script that may run again, and gives what it printed.
func (s *Session) script(ctx context.Context, what string, b body, facts tentacle.Facts) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptTime)
	defer cancel()
	ticket := step.Ticket(halibut.NewGUID().String(), what, string(s.machine.UID), 1)
	mutex, wait := step.MutexQueries, halibut.TimeSpan(5*time.Second)
	command := tentacle.StartScriptCommandV2{ScriptTicket: tentacle.ScriptTicket{TaskID: ticket}, TaskID: ticket, ScriptBody: b.powershell,
		Scripts: map[string]string{tentacle.BashScript: b.bash}, DurationToWaitForScriptToFinish: &wait, Isolation: tentacle.NoIsolation,
		ScriptIsolationMutexTimeout: halibut.TimeSpan(scriptTime), IsolationMutexName: &mutex}
	output := &collected{}
	c := s.pool.NewScript(ticket, ticket, output)
	if err := c.start(ctx, s, command); err != nil {
		return nil, fmt.Errorf("asking the machine by a script: %w", err)
	}
	s.follow(ctx, c)
	s.pool.completeOwn(s.machine, c) //nolint:contextcheck // goes on when this call is over, bounded by the pool's own context
	switch code := c.ExitCode(); {
	case !c.Ended():
		return nil, fmt.Errorf("the script %q did not end", what)
	case code == tentacle.ExitRefused && facts.Mantle():
		return nil, &UnfitError{v1alpha1.ReasonEngineTooOld, fmt.Sprintf("the Tentacle's engine reads plans of version %d, this operator writes %d, and the machine's policy takes no other engine; upgrade the Tentacle", facts.Engine, step.Version)}
	case code != 0:
		return nil, fmt.Errorf("the script %q ended with exit code %d: %s", what, code, c.Stderr())
	}
	return output.all(), nil
}

// collected keeps a script's own lines, within a bound.
type collected struct {
	mu    sync.Mutex
	last  int64
	lines []string
}

const maxCollected = 256

// Append keeps the lines of StdOut that are new.
func (c *collected) Append(seq int64, out []tentacle.ProcessOutput) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, entry := range out {
		n := seq + int64(i)
		if n <= c.last {
			continue
		}
		c.last = n
		if entry.Source == tentacle.StdOut && len(c.lines) < maxCollected {
			c.lines = append(c.lines, strings.TrimRight(entry.Text[:min(len(entry.Text), maxTold+maxLine)], "\r"))
		}
	}
	return nil
}

func (c *collected) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines
}
