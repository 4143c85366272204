package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
)

// Composer prepares the actions of all runs. It is safe for concurrent use.
type Composer struct {
	// Cached reads targets, policies and releases from the cache; Live reads Secrets and ConfigMaps from the API server.
	Cached, Live client.Reader
	Identities   Identities
	Packages     Packages
	Now          func() time.Time
}

// Run prepares the actions of one run. It is safe for concurrent use.
type Run struct {
	composer  *Composer
	namespace string
	name      string
	uid       types.UID
	spec      v1alpha1.DeploymentRunSpec
	snapshot  string
	process   *v1alpha1.ProjectSpec
	outputs   *ledger.Outputs
	values    *values
	packages  resolved
}

// For returns the Run with which the actions of a run are prepared.
func (c *Composer) For(run *v1alpha1.DeploymentRun, l *ledger.Ledger) *Run {
	return &Run{composer: c, namespace: run.Namespace, name: run.Name, uid: run.UID, spec: *run.Spec.DeepCopy(), snapshot: run.Status.Snapshot,
		process: l.Process, outputs: l.Outputs, values: newValues(c.Live, run.Namespace, c.Now)}
}

// Action is an action to prepare.
type Action struct {
	Ticket string
	Leaf   v1alpha1.Leaf
	Target v1alpha1.SliceTarget
	// Final is true if the action completes the release on the target when it succeeds.
	Final bool
}

// Prepare builds the plan with the current values. If that is not possible it returns a *dispatch.NotReady.
func (r *Run) Prepare(ctx context.Context, a Action) (dispatch.Prepared, error) {
	var target v1alpha1.DeploymentTarget
	if err := r.composer.Cached.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: a.Target.Name}, &target, client.UnsafeDisableDeepCopy); err != nil {
		return dispatch.Prepared{}, fmt.Errorf("reading the target: %w", err)
	}
	plan := step.Plan{Version: step.Version, Ticket: a.Ticket, Nonce: step.Nonce(a.Ticket), Namespace: r.namespace,
		Environment: string(r.spec.Environment), Project: string(r.spec.Project), Release: string(r.spec.Release),
		Snapshot: r.snapshot, RunName: r.name, RunUID: string(r.uid), Step: a.Leaf.Path, Target: a.Target.Name,
		Final: a.Final, TimeoutSeconds: int64(a.Leaf.GetTimeout().Seconds()), Variables: map[string]step.Value{}}
	for _, name := range a.Leaf.Outputs {
		plan.Outputs = append(plan.Outputs, string(name))
	}
	in := scope.Input{Variables: r.process.Variables, Environment: string(r.spec.Environment), Target: target.Name,
		TargetRoles: target.Spec.Roles, Output: r.outputs.Get, System: r.system(target.Name),
		Lookup: func(from v1alpha1.ValueSource) (string, error) { return r.values.value(ctx, from) }}
	variables, err := scope.Resolve(in)
	if err != nil {
		return dispatch.Prepared{}, missing(err)
	}
	p := dispatch.Prepared{Plan: plan}
	switch {
	case a.Leaf.Deploy != nil:
		err = r.deploy(ctx, a.Leaf, variables, &p)
	case a.Leaf.Run != nil:
		err = missing(run(in, a.Leaf, variables, &p))
	default:
		err = never(v1alpha1.ReasonNotPrepared, fmt.Sprintf("this operator does not know the kind of step %s; use the version of the operator that froze the release, or create the release again", a.Leaf.Path))
	}
	return p, err
}

// system returns the values of the predefined variables.
func (r *Run) system(target string) map[string]string {
	return map[string]string{
		"release.version": string(r.spec.Release), "environment.name": string(r.spec.Environment),
		"project.name": string(r.spec.Project), "target.name": target, "run.name": r.name,
	}
}

// missing converts an error to a final VariableMissing, unless a value could not be read, which can be retried.
func missing(err error) error {
	var unread *unread
	if err == nil || errors.As(err, &unread) {
		return err
	}
	return never(v1alpha1.ReasonVariableMissing, err.Error())
}

func never(reason, message string) error {
	return &dispatch.NotReady{Reason: reason, Message: message, Final: true}
}

// run evaluates the script's environment. Only the sensitive variables that the step uses are sent to the machine.
func run(in scope.Input, leaf v1alpha1.Leaf, variables map[string]scope.Value, p *dispatch.Prepared) error {
	p.Plan.Kind = step.KindRun
	var err error
	to := &step.Run{Shell: step.Shell(leaf.Run.Shell), Script: leaf.Run.Script}
	for i, env := range leaf.Run.Env {
		v, err := scope.Expand(in, variables, env.Value)
		if err != nil {
			return fmt.Errorf("env[%d] (%s) of step %s: %w", i, env.Name, leaf.Path, err)
		}
		to.Env = append(to.Env, step.EnvVar{Name: env.Name, Value: put(p, v)})
	}
	if to.User, err = shown(in, variables, leaf.Run.User); err != nil {
		return fmt.Errorf("user of step %s: %w", leaf.Path, err)
	}
	if to.WorkingDir, err = shown(in, variables, leaf.Run.WorkingDir); err != nil {
		return fmt.Errorf("workingDir of step %s: %w", leaf.Path, err)
	}
	for name, v := range variables {
		if !v.Sensitive {
			p.Plan.Variables[name] = step.Text(v.Text)
		} else if v.Text != "" && slices.ContainsFunc(p.Secrets, func(s string) bool { return strings.Contains(s, v.Text) }) {
			put(p, v) // so that it is masked if the script prints a part of a composed value
		}
	}
	p.Plan.Run = to
	return nil
}

// shown evaluates a field that every user of the machine can see.
func shown(in scope.Input, variables map[string]scope.Value, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	v, err := scope.Expand(in, variables, text)
	if err == nil && v.Sensitive {
		err = errors.New("it refers to a sensitive variable, but users of the machine can see the field: use a variable whose value is not from a Secret")
	}
	return v.Text, err
}

// deploy adds the package and its content. All variables are sent, because packaged scripts can read them.
func (r *Run) deploy(ctx context.Context, leaf v1alpha1.Leaf, variables map[string]scope.Value, p *dispatch.Prepared) error {
	p.Plan.Kind = step.KindDeploy
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		p.Plan.Variables[name] = put(p, variables[name])
	}
	from, err := r.packageOf(ctx, leaf)
	if err != nil {
		return err
	}
	content := r.content(from)
	p.Plan.Deploy = &step.Deploy{Package: from.Name, ID: from.Name, Version: from.Version, PublishedDigest: from.Digest,
		Content: step.Content{SHA256: content.SHA256, Path: content.Path, Format: content.Format, Size: content.Size}}
	p.Plan.StepDigest = step.DigestStep(p.Plan)
	p.Content = content
	return nil
}

// put adds a value to the plan; a sensitive one is added to the secrets and replaced by its number there.
func put(p *dispatch.Prepared, value scope.Value) step.Value {
	if !value.Sensitive {
		return step.Text(value.Text)
	}
	at := slices.Index(p.Secrets, value.Text)
	if at < 0 {
		at = len(p.Secrets)
		p.Secrets = append(p.Secrets, value.Text)
	}
	return step.SecretRef(at)
}
