package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

// What Run can fail with, beside *home.RunningError and home.ErrNotInitialised.
var (
	// ErrConfig is a setting that is wrong.
	ErrConfig = errors.New("wrong setting")
	// ErrState is a state file that cannot be used: key, certificate, trust, tickets.
	ErrState = errors.New("unusable state")
	// ErrListen is a port that cannot be opened.
	ErrListen = errors.New("cannot listen on")
)

// maxConfig and maxPEM bound the files that are read.
const (
	maxConfig = 64 << 10
	maxPEM    = 64 << 10
)

// Settings reads the configuration of h and puts the environment and the flags of s over it. A missing
// file means the defaults. Errors match ErrConfig.
func Settings(h home.Home, s config.Sources) (config.Config, error) {
	file, err := h.ReadState(h.Config(), maxConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return config.Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.File, s.Path = file, h.Config()
	c, err := config.Load(s)
	if err != nil {
		return config.Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Identity is the machine's key and certificate.
type Identity struct {
	// Certificate holds both; its Leaf is set.
	Certificate tls.Certificate
	// SHA1 and SHA256 are the thumbprints by which operators know the machine.
	SHA1, SHA256 halibut.Thumbprint
}

// LoadIdentity reads the identity of h. Errors match ErrState and name the remedy.
func LoadIdentity(h home.Home) (*Identity, error) {
	certPEM, err := h.ReadState(h.Certificate(), maxPEM)
	if err != nil {
		return nil, identityError(err)
	}
	keyPEM, err := h.ReadState(h.Key(), maxPEM)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("the key %s of the certificate is gone", h.Key()) // init makes no other for it
	}
	if err != nil {
		return nil, identityError(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, identityError(fmt.Errorf("reading %s and %s: %w", h.Certificate(), h.Key(), err))
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return nil, identityError(fmt.Errorf("reading %s: %w", h.Certificate(), err))
	}
	return &Identity{
		Certificate: pair,
		SHA1:        halibut.SHA1Thumbprint(pair.Leaf),
		SHA256:      halibut.SHA256Thumbprint(pair.Leaf),
	}, nil
}

func identityError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w; 'tentacle init' makes what is missing", ErrState, err)
	}
	if _, unusable := errors.AsType[*home.UnusableError](err); unusable || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	return fmt.Errorf("%w: %w; put the pair back from a backup with 'tentacle certificate import FILE' "+
		"(former ones of this machine are in the folder identities beside it), or make a new one with 'tentacle certificate new'", ErrState, err)
}

func newLogger(c config.Config, w io.Writer) (*slog.Logger, error) {
	level, err := c.Level()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}
