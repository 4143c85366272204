package session_test

import (
	"errors"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

func TestProbe(t *testing.T) {
	m, p := newMachine(t), newPool(t, session.Config{})
	probe, err := p.Probe(t.Context(), m.Machine)
	if err != nil || !m.Thumbprint.Matches(probe.Certificate) || probe.Facts.OS != "linux" {
		t.Fatalf("%+v, %v", probe, err)
	}
	unpinned := m.Machine
	unpinned.Thumbprint = ""
	_, err = p.Probe(t.Context(), unpinned)
	var connect *halibut.ConnectError
	if !errors.As(err, &connect) || connect.Presented == nil || connect.Stage != "ThumbprintMissing" {
		t.Errorf("without a pin: %v", err)
	}
	inventory, err := p.Inventory(t.Context(), m.Machine)
	if err != nil || inventory.OS != "linux" {
		t.Errorf("%+v, %v", inventory, err)
	}
}
