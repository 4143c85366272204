package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// Head is the end of the chain.
type Head = tentacle.AuditHead

// What a line is about.
const (
	Daemon     = "daemon"     // it was started or ended
	Connection = "connection" // an operator connected, or somebody was refused
	Start      = "start"      // StartScript
	Turn       = "turn"       // a script's turn came, and it was no longer allowed
	Cancel     = "cancel"     // CancelScript
	Complete   = "complete"   // CompleteScript
	Upload     = "upload"     // UploadFile
	Download   = "download"   // DownloadFile
	Trust      = "trust"      // the list of trusted operators was changed
	Identity   = "identity"   // the machine's certificate was replaced
	Policy     = "policy"     // another policy came into force, with its digest
	// Opened begins a file, and names the head of the one before.
	Opened = "opened"
	// Removed says that lines up to a head are deleted, as they are old.
	Removed = "removed"
	// Torn says that the bytes before it are the remains of lines that were not written to their end.
	Torn = "torn"
	// Gap says that lines were missing, or changed, when a writer came.
	Gap = "gap"
	// Lost says how many lines could not be written.
	Lost = "lost"
)

// How it was decided.
const (
	Allowed = "allowed"
	Refused = "refused"
	// Known is a start whose ticket had been started before, or had ended.
	Known = "known"
	// Differs is a start whose ticket had been started before with another script.
	Differs = "differs"
)

// Entry is one line. Every text in it is bounded when it is written. Number, Time and Prev are filled in then.
type Entry struct {
	// Number counts lines from 1, over all files.
	Number int64     `json:"n"`
	Time   time.Time `json:"time"`
	What   string    `json:"what"`
	// Decision is Allowed, Refused, Known or Differs; for changes what was done.
	Decision string `json:"decision,omitempty"`
	// Operator is the SHA-256 thumbprint of the caller, or of whom a change of trust is about. In a line about the
	// machine's identity it is the machine's own.
	Operator string `json:"operator,omitempty"`
	// Peer is the address of the caller.
	Peer string `json:"peer,omitempty"`
	// User is the local user who gave a command.
	User string `json:"user,omitempty"`
	// Ticket names the script.
	Ticket string `json:"ticket,omitempty"`
	// Rule of the policy that refused.
	Rule string `json:"rule,omitempty"`
	// Reason is one of our own sentences, never one of the caller's.
	Reason string `json:"reason,omitempty"`
	// Script is the SHA-256 of the script's text, Plan that of its file plan.json.
	Script string `json:"script,omitempty"`
	Plan   string `json:"plan,omitempty"`
	// Path and Size are those of a transferred file.
	Path string `json:"path,omitempty"`
	Size *int64 `json:"size,omitempty"`
	// Count is how many refused connections, repeated lines, lost lines or torn bytes a line stands for.
	Count int64 `json:"count,omitempty"`
	// Digest is the SHA-256 of torn bytes, or of a policy.
	Digest string `json:"digest,omitempty"`
	// Head is that which Opened and Removed speak of, as COUNT:HASH.
	Head string `json:"head,omitempty"`
	// Prev is the SHA-256 of the line before.
	Prev string `json:"prev"`
}

const (
	// maxLine bounds a line with its line end; the bounds of the fields keep what is written below it.
	maxLine = 16 << 10
	maxText = 300
	maxPath = 1024
)

var errLine = errors.New("not a line of an audit log")

// encode makes the line of e, without its line end.
func encode(e Entry) ([]byte, error) {
	for _, text := range []*string{
		&e.What, &e.Decision, &e.Operator, &e.Peer, &e.User, &e.Ticket, &e.Rule, &e.Reason, &e.Script, &e.Plan, &e.Digest, &e.Head,
	} {
		*text = (*text)[:min(len(*text), maxText)]
	}
	e.Path = e.Path[:min(len(e.Path), maxPath)]
	line, err := json.Marshal(e)
	if err == nil && len(line) >= maxLine {
		err = fmt.Errorf("it has %d bytes", len(line))
	}
	if err != nil {
		return nil, fmt.Errorf("encoding a line of the audit log: %w", err)
	}
	return line, nil
}

// Decode reads a line without its line end. What it does not know in it, it passes over.
func Decode(line []byte) (Entry, error) {
	var e Entry
	if len(line) >= maxLine {
		return e, fmt.Errorf("%w: longer than %d bytes", errLine, maxLine)
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", errLine, err)
	}
	if _, err := tentacle.ParseAuditHead("0:" + e.Prev); err != nil || e.Number < 1 || e.What == "" {
		return Entry{}, fmt.Errorf("%w: it has no number, no subject, or no hash of the line before", errLine)
	}
	return e, nil
}

// head is the end of a chain whose last line this is.
func (e Entry) head(line []byte) Head { return Head{Count: e.Number, Hash: Digest(line)} }

// before is the end of the chain that e was added to.
func (e Entry) before() Head { return Head{Count: e.Number - 1, Hash: e.Prev} }

// Digest is the SHA-256 of data in lower-case hex, as every digest of the log is written.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// beginning is the head before the first line.
func beginning() Head { return Head{Hash: tentacle.NoAuditHash} }
