package session

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Probe is what a machine says of itself.
type Probe struct {
	Certificate  *x509.Certificate
	Capabilities []string
	Facts        tentacle.Facts
	// Octopus says that the Tentacle is not Mantle's. The version, system and architecture in Facts were then found
	// out by a script.
	Octopus bool
	// Engine says why the machine has no engine that fits: an *UnfitError, or one that may pass.
	Engine error
}

// Fits tells whether the Tentacle can carry out our steps; the error is an *UnfitError, or one that may pass.
func (pr Probe) Fits() error {
	if err := fits(pr.Facts); err != nil {
		return err
	}
	return pr.Engine
}

// probeTimeout bounds a probe, and tellTimeout how long a machine may take to say what it offers.
const (
	probeTimeout = time.Minute
	tellTimeout  = 15 * time.Second
)

// Probe connects and asks for capabilities. The error is a halibut.ConnectError if the machine was not reached or trust
// does not hold; it carries the certificate that was presented. ErrBusy is in it if the machine was not even tried. To a
// Tentacle without an engine that fits one is brought, which may take minutes the first time.
func (p *Pool) Probe(ctx context.Context, m Machine) (Probe, error) {
	s := p.Open(m)
	defer s.Close()
	probe, err := p.reach(ctx, m, s)
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

// reach is the part of a probe that asks nothing of the machine but who it is.
func (p *Pool) reach(ctx context.Context, m Machine, s *Session) (Probe, error) {
	ctx, cancel := p.bounded(ctx, probeTimeout)
	defer cancel()
	certificate, err := s.conn.Connect(ctx, s.key.Endpoint)
	if err != nil {
		return Probe{Certificate: certificate}, err
	}
	asked, stop := context.WithTimeout(ctx, tellTimeout)
	defer stop()
	facts, err := s.ask(asked)
	if err != nil && asked.Err() != nil && ctx.Err() == nil {
		err = &halibut.ConnectError{Stage: halibut.NoAnswer, Address: m.Address, Presented: certificate, Err: err}
	}
	if err != nil {
		return Probe{Certificate: certificate}, err
	}
	return Probe{Certificate: certificate, Capabilities: facts.Response().SupportedCapabilities, Facts: facts}, nil
}
