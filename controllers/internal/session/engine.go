package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Engine is the program that executes plans on a machine: the Tentacle's own, or one that was uploaded.
type Engine struct{ provisioned *step.Brought }

// Command returns the message that starts a plan.
func (e Engine) Command(p step.Plan, secrets []string) (tentacle.StartScriptCommandV2, error) {
	if e.provisioned == nil {
		return step.Command(p, secrets)
	}
	return step.CommandFor(*e.provisioned, p, secrets)
}

// engineTime bounds the installation of an engine on a machine, and scriptTime each script for it.
const (
	engineTime = 10 * time.Minute
	scriptTime = 2 * time.Minute
)

// Engine returns the machine's engine. If it is missing or too old, one is uploaded: once, however many callers there
// are. The error is an *UnfitError if that is not possible.
func (s *Session) Engine(ctx context.Context) (Engine, error) {
	facts, err := s.Facts(ctx)
	if err != nil {
		return Engine{}, err
	}
	if err := fits(facts); err != nil || facts.Engine >= step.Version {
		return Engine{}, err
	}
	select {
	case s.at.provisioning <- struct{}{}:
		defer func() { <-s.at.provisioning }()
	case <-ctx.Done():
		return Engine{}, ctx.Err()
	}
	if known := s.provisioned(); known != nil {
		return Engine{known}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	provisioned, err := s.provisionEngine(ctx, facts)
	if err != nil {
		return Engine{}, err
	}
	s.remember(func(at *endpoint) { at.engine = &provisioned })
	return Engine{&provisioned}, nil
}

// provisioned returns the engine that was uploaded to the machine; nil if there is none.
func (s *Session) provisioned() *step.Brought {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.engine
}

// ForgetEngine says that the uploaded engine is no longer on the machine. The next Engine looks for it again.
func (s *Session) ForgetEngine() { s.remember(func(at *endpoint) { at.engine = nil }) }

// surveyed returns what a script found out about the machine; nil if none was run.
func (s *Session) surveyed() *survey {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.at.survey
}

// provisionEngine asks the machine for its system and its engines, and uploads the engine that it lacks.
func (s *Session) provisionEngine(ctx context.Context, facts tentacle.Facts) (step.Brought, error) {
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
	if found.home == "" {
		return step.Brought{}, errors.New("the machine was asked for its system, and its answer has no end: its Tentacle may have been restarted")
	}
	s.remember(func(at *endpoint) { at.survey = &found })
	if found.os == "" || found.arch == "" {
		return step.Brought{}, &UnfitError{v1alpha1.ReasonTentacleUnsupported, fmt.Sprintf("there is no Mantle engine for this machine, which reports its system as %.100q; only linux, darwin and windows on amd64 and arm64 are supported", found.raw)}
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

// sendEngine uploads an engine under a temporary name, and runs a script that verifies and renames it.
func (s *Session) sendEngine(ctx context.Context, p program, facts tentacle.Facts) (string, error) {
	part := p.sha256 + "." + strings.ToLower(rand.Text())
	r, err := s.UploadFile(ctx, enginesFolder+"/"+part, p.stream())
	if err != nil {
		return "", &UploadError{fmt.Errorf("sending the engine: %w", err)}
	}
	if r.Length != p.size || r.Hash == nil || !strings.EqualFold(*r.Hash, p.sha1) {
		return "", &UploadError{fmt.Errorf("sending the engine: the machine received %d of %d bytes, or others", r.Length, p.size)}
	}
	nonce := rand.Text()
	lines, err := s.script(ctx, "engine", installScript(nonce, p.sha256, part), facts)
	if err != nil {
		return "", fmt.Errorf("installing the engine: %w", err)
	}
	path := readSurvey(nonce, lines).engines[p.sha256]
	if path == "" {
		return "", fmt.Errorf("installing the engine: the script did not report success: %.200q", strings.Join(lines, " / "))
	}
	return path, nil
}

// script runs a script that can safely run twice, and returns what it printed.
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
		return nil, fmt.Errorf("running a script on the machine: %w", err)
	}
	s.follow(ctx, c)
	s.pool.completeOwn(s.machine, c) //nolint:contextcheck // continues after this call, bounded by the pool's own context
	switch code := c.ExitCode(); {
	case !c.Ended():
		return nil, fmt.Errorf("the script %q did not end", what)
	case code == tentacle.ExitRefused && facts.Mantle():
		return nil, &UnfitError{v1alpha1.ReasonEngineTooOld, fmt.Sprintf("the Tentacle's engine reads plans of version %d, this operator writes version %d, and the machine's policy allows no other engine; upgrade the Tentacle", facts.Engine, step.Version)}
	case code != 0:
		return nil, fmt.Errorf("the script %q ended with exit code %d: %s", what, code, c.Stderr())
	}
	return output.all(), nil
}

// collected is an Output that keeps the lines of one script, up to maxCollected.
type collected struct {
	mu    sync.Mutex
	lines []string
}

const maxCollected = 256

// Append keeps the lines of StdOut.
func (c *collected) Append(_ int64, out []tentacle.ProcessOutput) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, entry := range out {
		if entry.Source == tentacle.StdOut && len(c.lines) < maxCollected {
			c.lines = append(c.lines, strings.Clone(strings.TrimRight(entry.Text[:min(len(entry.Text), maxValue+maxLine)], "\r")))
		}
	}
	return nil
}

func (c *collected) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines
}
