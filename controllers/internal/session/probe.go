package session

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Probe is what a machine reports about itself.
type Probe struct {
	Certificate  *x509.Certificate
	Capabilities []string
	Facts        tentacle.Facts
	// Octopus is true if the Tentacle is not Mantle's. A script then found out the version, system and architecture in
	// Facts.
	Octopus bool
	// Engine says why the machine has no suitable engine: an *UnfitError, or a temporary error.
	Engine error
}

// Fits returns an error if the Tentacle cannot carry out steps: an *UnfitError, or a temporary error.
func (pr Probe) Fits() error {
	if err := fits(pr.Facts); err != nil {
		return err
	}
	return pr.Engine
}

// probeTimeout bounds a probe, and factsTimeout the request for capabilities.
const (
	probeTimeout = time.Minute
	factsTimeout = 15 * time.Second
)

// Probe connects and asks for capabilities. The error is a halibut.ConnectError if the machine was not reached or is not
// trusted; the Probe then has the certificate that was presented. It wraps ErrBusy if the machine was not dialled. If the
// Tentacle has no suitable engine one is uploaded, which may take minutes the first time.
func (p *Pool) Probe(ctx context.Context, m Machine) (Probe, error) {
	s := p.Open(m)
	defer s.Close()
	probe, err := p.connect(ctx, m, s)
	if err != nil {
		return probe, err
	}
	ctx, cancel := p.bounded(ctx, engineTime)
	defer cancel()
	_, probe.Engine = s.Engine(ctx)
	probe.Octopus = !probe.Facts.Mantle()
	if found := s.surveyed(); found != nil && probe.Octopus {
		probe.Facts.Version, probe.Facts.OS, probe.Facts.Arch = found.version, found.os, found.arch
	}
	return probe, nil
}

// connect is the first part of a probe: it connects and asks for capabilities.
func (p *Pool) connect(ctx context.Context, m Machine, s *Session) (Probe, error) {
	ctx, cancel := p.bounded(ctx, probeTimeout)
	defer cancel()
	certificate, err := s.conn.Connect(ctx, s.key.Endpoint)
	if err != nil {
		return Probe{Certificate: certificate}, err
	}
	asked, stop := context.WithTimeout(ctx, factsTimeout)
	defer stop()
	facts, err := s.ask(asked)
	if err != nil && asked.Err() != nil && ctx.Err() == nil {
		err = &halibut.ConnectError{Stage: halibut.NoAnswer, Address: m.Address, Presented: certificate, Err: err}
	}
	if err != nil {
		return Probe{Certificate: certificate}, err
	}
	shown := facts
	shown.NoJournal = false // it is no capability, and soon changes
	return Probe{Certificate: certificate, Capabilities: shown.Response().SupportedCapabilities, Facts: facts}, nil
}
