package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	fileVersion = 1
	// maxFile and maxOperators bound what is read and what is kept.
	maxFile      = 1 << 20
	maxOperators = 1000
)

// Operator is one trusted operator.
type Operator struct {
	// Thumbprint is what the owner trusted.
	Thumbprint halibut.Thumbprint `json:"thumbprint"`
	// SHA256 is the certificate seen at the first connection of an operator that was trusted by SHA-1.
	// It is empty before, and for those trusted by SHA-256.
	SHA256 halibut.Thumbprint `json:"sha256,omitempty"`
	// Added is when the owner trusted it.
	Added time.Time `json:"added"`
}

// names tells whether t is one of the operator's thumbprints.
func (o Operator) names(t halibut.Thumbprint) bool {
	return t != "" && (o.Thumbprint == t || o.SHA256 == t)
}

// required is the SHA-256 thumbprint that this operator must show; empty as long as only a SHA-1 is known.
func (o Operator) required() halibut.Thumbprint {
	if strings.HasPrefix(string(o.Thumbprint), "sha256:") {
		return o.Thumbprint
	}
	return o.SHA256
}

// content is the file.
type content struct {
	Version   int        `json:"version"`
	Operators []Operator `json:"operators"`
}

func read(h home.Home) ([]Operator, error) {
	path := h.Trust()
	data, err := h.ReadState(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c content
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, damaged(path, err)
	}
	if c.Version != fileVersion {
		return nil, fmt.Errorf("reading %s: it has version %d and this tentacle knows %d; use the tentacle that wrote it", path, c.Version, fileVersion)
	}
	if len(c.Operators) > maxOperators {
		return nil, damaged(path, fmt.Errorf("more than %d operators", maxOperators))
	}
	for i := range c.Operators {
		if err := c.Operators[i].canonical(); err != nil {
			return nil, damaged(path, err)
		}
	}
	return c.Operators, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("reading %s: %w; nobody is trusted until it is mended, or removed and the operators added again", path, err)
}

func (o *Operator) canonical() (err error) {
	if o.Thumbprint, err = halibut.ParseThumbprint(string(o.Thumbprint)); err != nil {
		return err
	}
	if o.SHA256 == "" {
		return nil
	}
	if o.SHA256, err = halibut.ParseThumbprint(string(o.SHA256)); err != nil {
		return err
	}
	if !strings.HasPrefix(string(o.SHA256), "sha256:") {
		return fmt.Errorf("%s is not a SHA-256 thumbprint", o.SHA256)
	}
	return nil
}

func write(path string, operators []Operator) error {
	data, err := json.MarshalIndent(content{Version: fileVersion, Operators: operators}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding trusted operators: %w", err)
	}
	return home.WriteFile(path, append(data, '\n'))
}

// add returns the operators with t, and whether it was new.
func add(operators []Operator, t halibut.Thumbprint, now time.Time) ([]Operator, bool, error) {
	if slices.ContainsFunc(operators, func(o Operator) bool { return o.names(t) }) {
		return operators, false, nil
	}
	if len(operators) >= maxOperators {
		return nil, false, fmt.Errorf("adding %s: %d operators are trusted already, which is the limit; remove some", t, maxOperators)
	}
	return append(operators, Operator{Thumbprint: t, Added: now.UTC().Truncate(time.Second)}), true, nil
}

// remove splits off the operators that t names, and those that are the same certificate under its
// other thumbprint.
func remove(operators []Operator, t halibut.Thumbprint) (kept, removed []Operator) {
	names := []halibut.Thumbprint{t}
	kept = operators
	for i := 0; i < len(names); i++ {
		var rest []Operator
		for _, o := range kept {
			if !o.names(names[i]) {
				rest = append(rest, o)
				continue
			}
			removed = append(removed, o)
			names = append(names, o.Thumbprint, o.SHA256)
		}
		kept = rest
	}
	return kept, removed
}
