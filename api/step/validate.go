package step

import (
	"fmt"
	"strings"
)

// Validate tells what is wrong with a plan, by the path of the field. Whether the numbers of secrets
// exist is checked by Command and by the engine, which have them.
func (p Plan) Validate() error {
	checks := []func() error{p.checkHead, p.checkKind, p.checkNames, p.checkRun, p.checkDeploy, p.checkHealth, p.checkValues}
	for _, check := range checks {
		if err := check(); err != nil {
			return fmt.Errorf("plan: %w", err)
		}
	}
	return nil
}

func (p Plan) checkHead() error {
	switch {
	case p.Version != Version:
		return fmt.Errorf("version: %w: %d", ErrVersion, p.Version)
	case p.Ticket == "" || len(p.Ticket) > maxTicketLength || !isWord(p.Ticket, "-_."):
		return fmt.Errorf("ticket: %q is not one", p.Ticket)
	case p.Nonce == "" || len(p.Nonce) > maxTicketLength || !isWord(p.Nonce, ""):
		return fmt.Errorf("nonce: must be letters and digits")
	case p.TimeoutSeconds < 0 || p.TimeoutSeconds > MaxTimeout:
		return fmt.Errorf("timeoutSeconds: %d is not between 0 and %d", p.TimeoutSeconds, MaxTimeout)
	}
	return nil
}

func (p Plan) checkKind() error {
	parts := map[Kind]bool{KindRun: p.Run != nil, KindDeploy: p.Deploy != nil, KindHealth: p.Health != nil, KindInventory: false}
	if _, known := parts[p.Kind]; !known {
		return fmt.Errorf("kind: %q is not one of run, deploy, health, inventory", p.Kind)
	}
	for kind, present := range parts {
		want := kind == p.Kind && kind != KindInventory
		if present != want {
			return fmt.Errorf("%s: must be there exactly when kind is %s", kind, kind)
		}
	}
	return nil
}

// checkNames holds names to what can be a folder's name where they become one, and bounds the rest.
func (p Plan) checkNames() error {
	journaled := p.Kind == KindRun || p.Kind == KindDeploy
	for _, n := range []struct{ field, value string }{
		{"namespace", p.Namespace}, {"environment", p.Environment}, {"project", p.Project},
	} {
		if n.value == "" && !journaled {
			continue
		}
		if err := CheckSegment(n.value); err != nil {
			return fmt.Errorf("%s: %w", n.field, err)
		}
	}
	for _, n := range []struct{ field, value string }{
		{"release", p.Release}, {"snapshot", p.Snapshot}, {"runName", p.RunName}, {"runUID", p.RunUID},
		{"step", p.Step}, {"target", p.Target}, {"stepDigest", p.StepDigest},
	} {
		if len(n.value) > MaxNameSize || strings.ContainsAny(n.value, "\x00\r\n") {
			return fmt.Errorf("%s: longer than %d bytes, or more than one line", n.field, MaxNameSize)
		}
	}
	if journaled && (p.RunUID == "" || p.Step == "") {
		return fmt.Errorf("runUID, step: must be set")
	}
	return nil
}

func (p Plan) checkRun() error {
	if p.Run == nil {
		return nil
	}
	switch p.Run.Shell {
	case Bash, PowerShell, Python:
	default:
		return fmt.Errorf("run.shell: %q is not one of Bash, PowerShell, Python", p.Run.Shell)
	}
	if len(p.Run.Script) > MaxScriptSize {
		return fmt.Errorf("run.script: longer than %d bytes", MaxScriptSize)
	}
	if p.Run.User != "" {
		if err := CheckUser(p.Run.User); err != nil {
			return fmt.Errorf("run.user: %w", err)
		}
	}
	if p.Run.WorkingDir != "" {
		if err := CheckWorkingDir(p.Run.WorkingDir); err != nil {
			return fmt.Errorf("run.workingDir: %w", err)
		}
	}
	return p.Run.checkEnv()
}

func (r *Run) checkEnv() error {
	if len(r.Env) > MaxEnvVars {
		return fmt.Errorf("run.env: more than %d", MaxEnvVars)
	}
	for i, e := range r.Env {
		if err := checkEnvName(e.Name); err != nil {
			return fmt.Errorf("run.env[%d].name: %w", i, err)
		}
		if err := e.Value.check(); err != nil {
			return fmt.Errorf("run.env[%d].value: %w", i, err)
		}
	}
	return nil
}

func checkEnvName(name string) error {
	switch {
	case name == "" || len(name) > MaxNameSize || !isWord(name, "_") || name[0] >= '0' && name[0] <= '9':
		return fmt.Errorf("%q is not a name of letters, digits and _", name)
	case strings.HasPrefix(strings.ToUpper(name), "MANTLE_"):
		return fmt.Errorf("%q begins with MANTLE_, which is the engine's own", name)
	}
	return nil
}

func (p Plan) checkDeploy() error {
	d := p.Deploy
	if d == nil {
		return nil
	}
	if err := CheckSegment(d.Package); err != nil {
		return fmt.Errorf("deploy.package: %w", err)
	}
	if err := CheckSegment(d.Version); err != nil {
		return fmt.Errorf("deploy.version: %w", err)
	}
	switch {
	case strings.EqualFold(d.Version, "current"):
		return fmt.Errorf("deploy.version: %q is the name of the link to the current version", d.Version)
	case len(d.ID) > MaxValueSize || len(d.PublishedDigest) > MaxNameSize:
		return fmt.Errorf("deploy.id, deploy.publishedDigest: too long")
	}
	return d.Content.check()
}

func (c Content) check() error {
	switch {
	case !IsSHA256(c.SHA256):
		return fmt.Errorf("deploy.content.sha256: must be 64 lower-case hex digits")
	case c.Format != FormatTar && c.Format != FormatTarGz && c.Format != FormatZip:
		return fmt.Errorf("deploy.content.format: %q is not one of tar.gz, tar, zip", c.Format)
	case c.Path != ContentPath(c.SHA256, c.Format):
		return fmt.Errorf("deploy.content.path: must be %s", ContentPath(c.SHA256, c.Format))
	case c.Size < 0:
		return fmt.Errorf("deploy.content.size: is negative")
	}
	return nil
}

func (p Plan) checkHealth() error {
	if p.Health != nil && (len(p.Health.Bash) > MaxScriptSize || len(p.Health.PowerShell) > MaxScriptSize) {
		return fmt.Errorf("health: a script is longer than %d bytes", MaxScriptSize)
	}
	return nil
}

func (p Plan) checkValues() error {
	if len(p.Variables) > MaxVariables {
		return fmt.Errorf("variables: more than %d", MaxVariables)
	}
	for name, v := range p.Variables {
		if name == "" || len(name) > MaxNameSize {
			return fmt.Errorf("variables: a name is empty or longer than %d bytes", MaxNameSize)
		}
		if err := v.check(); err != nil {
			return fmt.Errorf("variables[%q]: %w", name, err)
		}
	}
	if len(p.Outputs) > MaxOutputNames {
		return fmt.Errorf("outputs: more than %d", MaxOutputNames)
	}
	for i, name := range p.Outputs {
		if name == "" || len(name) > MaxNameSize || strings.ContainsAny(name, "=\r\n\x00") {
			return fmt.Errorf("outputs[%d]: %q cannot be the name of an output", i, name)
		}
	}
	return nil
}

func (v Value) check() error {
	switch {
	case v.Secret != nil && v.Text != "":
		return fmt.Errorf("has both a text and a secret")
	case v.Secret != nil && (*v.Secret < 0 || *v.Secret >= MaxSecrets):
		return fmt.Errorf("secret %d is out of range", *v.Secret)
	case len(v.Text) > MaxValueSize:
		return fmt.Errorf("longer than %d bytes", MaxValueSize)
	}
	return nil
}

// IsSHA256 tells whether s is a SHA-256 in lower-case hex.
func IsSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// isWord tells whether s has only ASCII letters, digits and the characters of more.
func isWord(s, more string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}
