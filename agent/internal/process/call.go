package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/api/step"
)

// CallFile is where the predecessor of this version left the plan and the secrets of a step, in the ticket's folder. The
// supervisor removes it before it starts anything.
const CallFile = "call"

// Content is what a step is carried out from, as its operator sent it.
type Content struct {
	Plan    []byte
	Secrets []byte // nil if there are none
	// Problem says why plan and secrets are not here. The step is refused with it.
	Problem string
}

// callHead is the first line of a call's file. Plan and secrets follow, as many bytes as it says.
type callHead struct {
	Version int    `json:"version"`
	Plan    int    `json:"plan"`
	Secrets *int   `json:"secrets,omitempty"` // nil if there are none
	Sum     uint32 `json:"sum"`               // CRC-32C of what follows
	Problem string `json:"problem,omitempty"`
}

// maxCallFile bounds what is read of a call's file.
const maxCallFile = step.MaxPlanSize + step.MaxSecretsSize + 64<<10

// removeCall removes the file of a call, if there is one.
func removeCall(dir string) error {
	if err := os.Remove(filepath.Join(dir, CallFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// takeCall reads the file of a call and removes it.
func takeCall(dir string) (Content, error) {
	data, err := regular.ReadWhole(filepath.Join(dir, CallFile), maxCallFile)
	if err == nil {
		err = removeCall(dir)
	}
	if err != nil {
		return Content{}, fmt.Errorf("reading the plan: %w", err)
	}
	c, err := parseCall(data)
	if err != nil {
		return Content{}, fmt.Errorf("reading the plan: %w", err)
	}
	return c, nil
}

func parseCall(data []byte) (Content, error) {
	line, body, found := bytes.Cut(data, []byte("\n"))
	var head callHead
	if err := json.Unmarshal(line, &head); err != nil || !found {
		return Content{}, errors.New("its file is not understood")
	}
	if head.Version > Version {
		return Content{}, ErrNewer
	}
	length := head.Plan
	if head.Secrets != nil {
		length += *head.Secrets
	}
	if head.Plan < 0 || head.Plan > len(body) || length != len(body) || head.Sum != crc32.Checksum(body, castagnoli) {
		return Content{}, errors.New("its file is not whole")
	}
	c := Content{Plan: body[:head.Plan], Problem: head.Problem}
	if head.Secrets != nil {
		c.Secrets = body[head.Plan:]
	}
	return c, nil
}

// sealVariable is where the predecessor of this version kept a digest of a step's plan and secrets, which it left in the
// script's folder for the engine to read. Tickets of its time may still wait for their turn.
const sealVariable = "MANTLE_SEAL="

// isCall says whether the supervisor carries the ticket out itself.
func (s Spec) isCall() bool { return s.Call || s.seal() != "" }

func (s Spec) seal() string {
	for _, e := range s.Env {
		if seal, ok := strings.CutPrefix(e, sealVariable); ok {
			return seal
		}
	}
	return ""
}

// takeSealed reads what the predecessor of this version left, with the rights of the account of scripts only, as it is
// that account's folder.
func (s Spec) takeSealed(a *account.Account) (c Content, err error) {
	err = account.As(a, func() error {
		plan, secrets := filepath.Join(s.Dir, step.PlanFile), filepath.Join(s.Dir, step.SecretsFile)
		if c.Plan, err = regular.ReadWhole(plan, step.MaxPlanSize); err != nil {
			return err
		}
		c.Secrets, err = regular.ReadWhole(secrets, step.MaxSecretsSize)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.Remove(secrets))
	})
	if err != nil {
		return c, fmt.Errorf("reading the plan: %w", err)
	}
	one, two := sha256.Sum256(c.Plan), sha256.Sum256(c.Secrets)
	sum := sha256.Sum256(slices.Concat(one[:], two[:]))
	if hex.EncodeToString(sum[:]) != s.seal() {
		return Content{}, errors.New("the plan, or its secrets, were changed on this machine after they arrived. Another script that runs as the same user must have done it")
	}
	return c, nil
}
