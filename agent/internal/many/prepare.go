package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

// prepare makes a home that trusts the operator.
func prepare(dir, listen string, operator halibut.Thumbprint) (home.Home, halibut.Thumbprint, error) {
	h, err := home.Create(dir)
	if err != nil {
		return h, "", fmt.Errorf("making the home: %w", err)
	}
	certificate, key, err := halibut.NewIdentity("Mantle Tentacle", halibut.ECDSA)
	if err != nil {
		return h, "", fmt.Errorf("making the identity: %w", err)
	}
	c := config.Default()
	c.Listen = listen
	c.LogLevel = "error"
	if err := errors.Join(home.WriteFile(h.Certificate(), certificate), home.WriteFile(h.Key(), key), home.WriteFile(h.Config(), c.Format())); err != nil {
		return h, "", fmt.Errorf("writing the state: %w", err)
	}
	list, err := trust.Open(h, slog.New(slog.DiscardHandler))
	if err != nil {
		return h, "", fmt.Errorf("opening the trust: %w", err)
	}
	if _, err := list.Add(operator); err != nil {
		return h, "", fmt.Errorf("trusting the operator: %w", err)
	}
	id, err := daemon.LoadIdentity(h)
	if err != nil {
		return h, "", fmt.Errorf("reading the identity: %w", err)
	}
	return h, id.SHA256, nil
}
