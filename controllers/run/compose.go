package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

var (
	errGone  = errors.New("the DeploymentTarget is gone")
	errOther = errors.New("the DeploymentTarget was given another thumbprint")
)

// endError is why an action can never begin. Any other error may pass, and the action begins then.
type endError struct {
	reason string
	error
}

func (e *endError) Unwrap() error { return e.error }

// readError is that of an API server which did not answer: it says nothing about the object.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// missing tells that a value is not there or cannot be worked out, unless it could not even be read.
func missing(err error) error {
	var unread *readError
	if err == nil || errors.As(err, &unread) {
		return err
	}
	return &endError{v1alpha1.ReasonVariableMissing, err}
}

// machineOf reads what is needed to reach a target.
func machineOf(t *v1alpha1.DeploymentTarget, policy *v1alpha1.TargetPolicy, identity *tentacle.Identity) (tentacle.Machine, error) {
	address, err := t.Spec.HostPort()
	if err != nil {
		return tentacle.Machine{}, err
	}
	pin, err := halibut.ParseThumbprint(t.Spec.Thumbprint)
	if err != nil {
		return tentacle.Machine{}, fmt.Errorf("spec.thumbprint: %w", err)
	}
	m := tentacle.Machine{Namespace: t.Namespace, Name: t.Name, UID: t.UID, Address: address, Thumbprint: pin, Identity: identity,
		ConnectTimeout: policy.ConnectTimeout(), RetryDuration: policy.RetryDuration()}
	if t.PinnedCertificate() != nil {
		m.SHA256 = halibut.Thumbprint(t.Status.Certificate.SHA256)
	}
	return m, nil
}

// compose builds an action: the plan with its values as they are now. With an error, the action is still good for asking
// the machine about it, where it says how that is reached.
func (r *Reconciler) compose(ctx context.Context, f facts, l *live, start plan.Start) (tentacle.Action, error) {
	k := start.Key
	m, err := r.machine(ctx, f, l, k.Target)
	if err != nil {
		return tentacle.Action{}, err
	}
	leaf, t := l.leaves[k.Step], f.Targets[k.Target]
	ticket := step.Ticket(string(f.Run.UID), k.Step, string(t.UID), int(start.Attempt))
	a := tentacle.Action{Ticket: ticket, Machine: m, Timeout: leaf.GetTimeout(), Owner: owner(f.Run),
		Log: r.Logs.Sink(f.Run.Namespace, f.Run.Name, k.Target, k.Step, start.Attempt)}
	a.Plan = step.Plan{Version: step.Version, Ticket: ticket, Nonce: step.Nonce(ticket), Namespace: f.Run.Namespace,
		Environment: string(f.Run.Spec.Environment), Project: string(f.Run.Spec.Project), Release: string(f.Run.Spec.Release),
		Snapshot: f.Run.Status.Snapshot, RunName: f.Run.Name, RunUID: string(f.Run.UID), Step: k.Step, Target: k.Target,
		Final: start.Final, TimeoutSeconds: int64(leaf.GetTimeout().Seconds()), Variables: map[string]step.Value{}}
	for _, name := range leaf.Outputs {
		a.Plan.Outputs = append(a.Plan.Outputs, string(name))
	}
	in := scope.Input{Variables: l.process.Variables, Environment: string(f.Run.Spec.Environment), Target: t.Name,
		TargetRoles: t.Spec.Roles, Outputs: l.outputs, Lookup: r.lookup(ctx, f.Run.Namespace), System: system(f.Run, t.Name)}
	variables, err := scope.Resolve(in)
	if err != nil {
		return a, missing(err)
	}
	values := &vault{}
	if leaf.Deploy != nil {
		err = r.composeDeploy(f, l, leaf, variables, values, &a)
	} else {
		err = missing(composeRun(in, leaf, variables, values, &a))
	}
	a.Secrets = values.secrets
	return a, err
}

// system are the values that the run itself gives.
func system(run *v1alpha1.DeploymentRun, target string) map[string]string {
	return map[string]string{
		"release.version": string(run.Spec.Release), "environment.name": string(run.Spec.Environment),
		"project.name": string(run.Spec.Project), "target.name": target, "run.name": run.Name,
	}
}

// composeRun evaluates the script's environment. Of the sensitive variables only those go to the machine that it uses.
func composeRun(in scope.Input, leaf v1alpha1.Leaf, variables map[string]scope.Value, values *vault, a *tentacle.Action) error {
	a.Plan.Kind = step.KindRun
	var err error
	run := &step.Run{Shell: step.Shell(leaf.Run.Shell), Script: leaf.Run.Script}
	for i, env := range leaf.Run.Env {
		v, err := scope.Expand(in, variables, env.Value)
		if err != nil {
			return fmt.Errorf("env[%d] (%s) of step %s: %w", i, env.Name, leaf.Path, err)
		}
		run.Env = append(run.Env, step.EnvVar{Name: env.Name, Value: values.put(v)})
	}
	if run.User, err = expandShown(in, variables, leaf.Run.User); err != nil {
		return fmt.Errorf("user of step %s: %w", leaf.Path, err)
	}
	if run.WorkingDir, err = expandShown(in, variables, leaf.Run.WorkingDir); err != nil {
		return fmt.Errorf("workingDir of step %s: %w", leaf.Path, err)
	}
	for name, v := range variables {
		if !v.Sensitive {
			a.Plan.Variables[name] = step.Text(v.Text)
		} else if v.Text != "" && slices.ContainsFunc(values.secrets, func(s string) bool { return strings.Contains(s, v.Text) }) {
			values.put(v) // so that it is masked where the script prints a part of a joined value
		}
	}
	a.Plan.Run = run
	return nil
}

// expandShown works out a field that everybody on the machine can see.
func expandShown(in scope.Input, variables map[string]scope.Value, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	v, err := scope.Expand(in, variables, text)
	if err == nil && v.Sensitive {
		err = errors.New("it takes in a sensitive variable, but is shown on the machine: use one whose value is not from a Secret")
	}
	return v.Text, err
}

// composeDeploy names the package's content. All variables go along, as packaged scripts may read them.
func (r *Reconciler) composeDeploy(f facts, l *live, leaf v1alpha1.Leaf, variables map[string]scope.Value, values *vault, a *tentacle.Action) error {
	a.Plan.Kind = step.KindDeploy
	for _, name := range sortedNames(variables) {
		a.Plan.Variables[name] = values.put(variables[name])
	}
	p, err := l.packageOf(f, leaf)
	if err != nil {
		return err
	}
	content := strings.TrimPrefix(p.ContentDigest, "sha256:")
	path := step.ContentPath(content, p.Format)
	a.Plan.Deploy = &step.Deploy{Package: p.Name, ID: p.Name, Version: p.Version, PublishedDigest: p.Digest,
		Content: step.Content{SHA256: content, Path: path, Format: p.Format, Size: p.Size}}
	a.Plan.StepDigest = step.DigestStep(a.Plan)
	of := a.Owner // the sessions keep what follows while the script runs: it must not hold the facts
	a.Content = &tentacle.Content{SHA256: content, Format: p.Format, Size: p.Size, Path: path,
		Ready: func() error { return r.fetched(of, p) },
		Open:  func() (io.ReadCloser, error) { return r.Packages.Open(p.Digest) }}
	return nil
}

func sortedNames(variables map[string]scope.Value) []string {
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// vault collects the sensitive values of a plan, which itself holds only their numbers.
type vault struct {
	secrets []string
}

func (v *vault) put(value scope.Value) step.Value {
	if !value.Sensitive {
		return step.Text(value.Text)
	}
	at := slices.Index(v.secrets, value.Text)
	if at < 0 {
		at = len(v.secrets)
		v.secrets = append(v.secrets, value.Text)
	}
	return step.SecretRef(at)
}
