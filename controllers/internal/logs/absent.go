package logs

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// open returns the file of an output; nil if the step has ended without output; or the reason why there is no file.
func (h *handler) open(ctx context.Context, of logRequest) (*os.File, *failure) {
	if file := h.file(of); file != nil {
		return file, nil
	}
	row, err := h.uncachedRow(ctx, &of)
	if err != nil {
		return nil, err
	}
	return nil, absent(of, row)
}

// uncachedRow returns the row of an action as the API server has it, with all its text. The run is read again for its steps.
func (h *handler) uncachedRow(ctx context.Context, of *logRequest) (*v1alpha1.ActionStatus, *failure) {
	run := &v1alpha1.DeploymentRun{}
	err := h.reader.Get(ctx, types.NamespacedName{Namespace: of.namespace, Name: of.name}, run)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return nil, fail(http.StatusServiceUnavailable, "the operator could not read the run from the API server; try again")
	case err != nil || run.UID != of.run.UID:
		return nil, fail(http.StatusNotFound, "RunNotFound: DeploymentRun %s in namespace %s was deleted", of.name, of.namespace)
	}
	of.run = run
	return h.row(ctx, h.reader, *of)
}

// file returns the file of an output; nil if this operator does not have it.
func (h *handler) file(of logRequest) *os.File {
	path := h.store.newest(of.namespace, of.run.UID, of.target, of.step, of.attempt)
	if path == "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	return file
}

// elsewhere explains why an output that was written is missing.
const elsewhere = "it was removed to make room for newer ones, or it is in another replica of the operator, or in a pod that no longer exists"

// absent returns why there is no file of an action; nil if the action wrote nothing. row is the action's row, or nil.
func absent(of logRequest, row *v1alpha1.ActionStatus) *failure {
	switch {
	case row == nil && of.run.Status.Phase.IsTerminal():
		return fail(http.StatusConflict, "NotRun: %s did not run on %s: run %s ended as %s before that", of.step, of.target, of.name, of.run.Status.Phase)
	case row == nil:
		return fail(http.StatusConflict, "NotRunYet: %s has not run on %s yet; the run is %s", of.step, of.target, of.run.Status.Phase)
	case of.attempt > row.Attempt:
		return fail(http.StatusConflict, "NotRun: %s has no attempt %d on %s; the newest is %d", of.step, of.attempt, of.target, row.Attempt)
	case of.attempt != 0 && of.attempt < row.Attempt:
		return fail(http.StatusGone, "LogUnavailable: this operator does not have the output of that attempt: %s", elsewhere)
	default:
		return unwritten(of, row)
	}
}

// unwritten returns why there is no file of an action that has a row; nil if the action wrote nothing.
func unwritten(of logRequest, row *v1alpha1.ActionStatus) *failure {
	written := row.Log != nil && row.Log.Size > 0
	switch {
	case !row.Phase.IsTerminal():
		return fail(http.StatusConflict, "NoOutputYet: %s is %s on %s%s; it has not written anything yet, or another replica of the operator has its output", of.step, row.Phase, of.target, because(row))
	case written:
		return fail(http.StatusGone, "LogUnavailable: this operator does not have that output: %s", elsewhere)
	case !row.Sent:
		return fail(http.StatusConflict, "NotRun: %s did not run on %s: %s%s", of.step, of.target, row.Phase, because(row))
	default:
		return nil
	}
}

// because returns the reason and message of a row, to append to a message.
func because(row *v1alpha1.ActionStatus) string {
	text := ""
	if row.Reason != "" {
		text = " (" + row.Reason + ")"
	}
	if row.Message != "" {
		text += ": " + row.Message
	}
	return text
}

// row returns the row of an action; nil if the action has not begun. It fails if the run does not have the target or
// step. A large run has many slices, so only the one with the target is read from anywhere but the cache.
func (h *handler) row(ctx context.Context, from client.Reader, of logRequest) (*v1alpha1.ActionStatus, *failure) {
	run := of.run.Status
	if !of.valid() {
		return nil, fail(http.StatusNotFound, "TargetNotFound: the path does not contain valid names of a target and a step")
	}
	if len(run.Steps) > 0 && !slices.ContainsFunc(run.Steps, func(s v1alpha1.RunStepStatus) bool { return s.Name == of.step }) {
		return nil, fail(http.StatusNotFound, "StepNotFound: run %s has no step %s; GET %s%s/%s lists the available outputs", of.name, of.step, Prefix, of.namespace, of.name)
	}
	for n := range min(run.Slices, ledger.MaxSlices) {
		slice, err := h.slice(ctx, h.client, of, n)
		if err != nil {
			return nil, err
		}
		if slice == nil || !slices.ContainsFunc(slice.Spec.Targets, func(t v1alpha1.SliceTarget) bool { return t.Name == of.target }) {
			continue
		}
		if slice, err = h.slice(ctx, from, of, n); err != nil || slice == nil {
			return nil, err
		}
		return action(slice, of.target, of.step), nil
	}
	if run.Slices == 0 && !run.Phase.IsTerminal() {
		return nil, nil // its targets are not known yet
	}
	return nil, fail(http.StatusNotFound, "TargetNotFound: run %s has no target %s; GET %s%s/%s lists the available outputs", of.name, of.target, Prefix, of.namespace, of.name)
}

// valid reports whether target and step are valid names.
func (of logRequest) valid() bool {
	return segment.MatchString(of.target) && segment.MatchString(strings.ReplaceAll(of.step, "/", "."))
}

// action returns the row of an action in a slice; nil if it has none.
func action(slice *v1alpha1.DeploymentRunSlice, target, step string) *v1alpha1.ActionStatus {
	for i := range slice.Status.Results {
		result := &slice.Status.Results[i]
		if result.Target != target {
			continue
		}
		for j := range result.Steps {
			if result.Steps[j].Name == step {
				return &result.Steps[j]
			}
		}
	}
	return nil
}

// slice returns the n-th slice of the run; nil if it does not exist. It may belong to the cache and must not be changed.
func (h *handler) slice(ctx context.Context, from client.Reader, of logRequest, n int32) (*v1alpha1.DeploymentRunSlice, *failure) {
	slice, shared := &v1alpha1.DeploymentRunSlice{}, true
	err := from.Get(ctx, types.NamespacedName{Namespace: of.namespace, Name: ledger.SliceName(of.name, int(n))}, slice, &client.GetOptions{UnsafeDisableDeepCopy: &shared})
	switch {
	case client.IgnoreNotFound(err) != nil:
		return nil, fail(http.StatusServiceUnavailable, "the operator could not read the run from the API server; try again")
	case err != nil || slice.Labels[v1alpha1.LabelRunUID] != string(of.run.UID):
		return nil, nil
	}
	return slice, nil
}
