//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// attacks are what the attacker does in turn.
func (h *hostile) attacks() []func(context.Context, *rand.Rand) {
	return []func(context.Context, *rand.Rand){h.addRun, h.addRun, h.addRelease, h.moveTarget, h.moveTarget, h.remakeTarget, h.editBinding, h.editBinding,
		h.editRunStatus, h.editSliceStatus, h.editOtherStatus, h.takeFinalizers, h.remakeRun, h.editSecret, h.suspendOrRetry, h.touchShared}
}

// patch merges into an object of the attacker's, or into its status.
func (h *hostile) patch(ctx context.Context, o client.Object, name, sub string, change map[string]any) {
	content, err := json.Marshal(change)
	if err != nil {
		h.t.Error(err)
		return
	}
	o.SetNamespace(h.namespace)
	o.SetName(name)
	patch := client.RawPatch(types.MergePatchType, content)
	if sub != "" {
		h.did(h.client.SubResource(sub).Patch(ctx, o, patch))
		return
	}
	h.did(h.client.Patch(ctx, o, patch))
}

// some names an object that may be there.
func (h *hostile) some(random *rand.Rand, kind string) string {
	if kind == "run" {
		return fmt.Sprintf("run-%d", 1+random.Int64N(h.named.Load()+1))
	}
	return fmt.Sprintf("t-%d-%d", random.IntN(attackers), random.IntN(300*h.scale/attackers))
}

func (h *hostile) moveTarget(ctx context.Context, random *rand.Rand) {
	address, thumbprint, _ := strings.Cut(h.addresses[random.IntN(len(h.addresses))], " ")
	spec := map[string]any{"address": address, "cordoned": random.IntN(4) == 0}
	if thumbprint != "" {
		spec["thumbprint"] = thumbprint
	}
	h.patch(ctx, &v1alpha1.DeploymentTarget{}, h.some(random, "target"), "", map[string]any{"spec": spec})
}

func (h *hostile) remakeTarget(ctx context.Context, random *rand.Rand) {
	name := h.some(random, "target")
	t := &v1alpha1.DeploymentTarget{}
	t.Namespace, t.Name = h.namespace, name
	h.did(h.client.Delete(ctx, t))
	h.addTarget(ctx, name, random)
}

func (h *hostile) editBinding(ctx context.Context, random *rand.Rand) {
	h.patch(ctx, &v1alpha1.ReleaseBinding{}, "bound", "", map[string]any{"spec": map[string]any{"release": pick(random, "1.0.0", "1.0.1", "1.0.2"), "suspend": random.IntN(3) == 0}})
}

func (h *hostile) suspendOrRetry(ctx context.Context, random *rand.Rand) {
	h.patch(ctx, &v1alpha1.ReleaseBinding{}, "bound", "", map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		"mantle.dev/retry": fmt.Sprint(random.Uint64()), "mantle.dev/desired-hash": strings.Repeat("9", 1000)}}})
}

// condition is one that says what the attacker likes.
func condition(random *rand.Rand, kinds ...string) []map[string]any {
	var all []map[string]any
	for _, kind := range kinds {
		all = append(all, map[string]any{"type": kind, "status": pick(random, "True", "False"), "reason": pick(random, "Queued", "Recording", "Resolved", "TargetsResolved"),
			"message": strings.Repeat("\x1b[31m", 100), "lastTransitionTime": pick(random, "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"), "observedGeneration": math.MaxInt64})
	}
	return all
}

func (h *hostile) editRunStatus(ctx context.Context, random *rand.Rand) {
	h.patch(ctx, &v1alpha1.DeploymentRun{}, h.some(random, "run"), "status", map[string]any{"status": map[string]any{
		"phase": pick(random, "Running", "Succeeded", "Queued", "Nonsense"), "slices": pick(random, -1, 0, 1, 500, math.MaxInt32), "snapshot": "shop-1.0.0-0000000000",
		"startTime": pick(random, "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"), "observedGeneration": int64(math.MaxInt64),
		"targets":    map[string]any{"total": math.MaxInt32, "pending": math.MinInt32},
		"conditions": condition(random, "TargetsResolved", "Ready", "PackagesReady")}})
}

func (h *hostile) editSliceStatus(ctx context.Context, random *rand.Rand) {
	steps := []map[string]any{{"name": "work", "phase": pick(random, "Running", "Succeeded", "Failed", "Pending"), "attempt": pick(random, math.MaxInt32, -1, 1), "answered": math.MaxInt32,
		"seconds": "1e308", "log": map[string]any{"size": int64(math.MaxInt64)}, "startTime": "9999-01-01T00:00:00Z", "nextTime": "9999-01-01T00:00:00Z"}}
	h.patch(ctx, &v1alpha1.DeploymentRunSlice{}, h.some(random, "run")+"-000", "status", map[string]any{"status": map[string]any{"results": []map[string]any{
		{"target": h.some(random, "target"), "phase": pick(random, "Running", "Succeeded"), "steps": steps, "outputs": map[string]string{"work.x": strings.Repeat("y", 60<<10)}}}}})
}

func (h *hostile) editOtherStatus(ctx context.Context, random *rand.Rand) {
	switch random.IntN(4) {
	case 0:
		h.patch(ctx, &v1alpha1.ReleaseBinding{}, "bound", "status", map[string]any{"status": map[string]any{"sequence": int64(math.MaxInt64), "observedGeneration": int64(math.MaxInt64),
			"record": map[string]any{"hash": "x", "sequence": int64(math.MaxInt64), "deployed": true}, "conditions": condition(random, "Ready", "Held")}})
	case 1:
		h.patch(ctx, &v1alpha1.DeploymentTarget{}, h.some(random, "target"), "status", map[string]any{"status": map[string]any{"health": pick(random, "Healthy", "Unavailable", ""),
			"installed": []map[string]any{{"project": "shop", "environment": "production", "release": "1.0.0", "snapshot": "x", "run": "r", "phase": "Succeeded", "time": "9999-01-01T00:00:00Z"}}}})
	case 2:
		h.patch(ctx, &v1alpha1.Release{}, "shop-1.0.2", "status", map[string]any{"status": map[string]any{"snapshot": pick(random, "", "nothing", strings.Repeat("a", 200)),
			"processDigest": "sha256:00", "conditions": condition(random, "Ready", "Resolved")}})
	default:
		h.patch(ctx, &v1alpha1.Project{}, "shop", "status", map[string]any{"status": map[string]any{"processDigest": "sha256:11", "conditions": condition(random, "Ready")}})
	}
}

func (h *hostile) takeFinalizers(ctx context.Context, random *rand.Rand) {
	h.patch(ctx, &v1alpha1.DeploymentRun{}, h.some(random, "run"), "", map[string]any{"metadata": map[string]any{"finalizers": nil}})
}

func (h *hostile) remakeRun(ctx context.Context, random *rand.Rand) {
	run := &v1alpha1.DeploymentRun{}
	run.Namespace, run.Name = h.namespace, h.some(random, "run")
	h.did(h.client.Delete(ctx, run))
	h.takeFinalizersOf(ctx, run.Name)
	again := &v1alpha1.DeploymentRun{ObjectMeta: named(run.Name), Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production", Release: "1.0.0"}}
	h.create(ctx, again)
}

func (h *hostile) takeFinalizersOf(ctx context.Context, name string) {
	h.patch(ctx, &v1alpha1.DeploymentRun{}, name, "", map[string]any{"metadata": map[string]any{"finalizers": nil}})
}

func (h *hostile) editSecret(ctx context.Context, random *rand.Rand) {
	value := strings.Repeat(fmt.Sprint(random.Uint32()), secretSize/10)
	h.patch(ctx, &corev1.Secret{}, fmt.Sprintf("secret-%d", random.IntN(secrets)), "", map[string]any{"stringData": map[string]string{"value": value}})
}

// touchShared changes what many of its objects wait for: an environment, a policy, a release.
func (h *hostile) touchShared(ctx context.Context, random *rand.Rand) {
	at := time.Now().Format(time.RFC3339Nano)
	switch random.IntN(3) {
	case 0:
		h.patch(ctx, &v1alpha1.Environment{}, "production", "", map[string]any{"spec": map[string]any{"description": at}})
	case 1:
		h.patch(ctx, &v1alpha1.TargetPolicy{}, "greedy", "", map[string]any{"spec": map[string]any{"healthCheck": map[string]any{"bash": "echo " + at}}})
	default:
		h.patch(ctx, &v1alpha1.Release{}, "shop-1.0.0", "", map[string]any{"metadata": map[string]any{"annotations": map[string]string{"touched": at}}})
	}
}
