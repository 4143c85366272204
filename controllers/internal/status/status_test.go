package status

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestConditionsReadAsKstatusDoes(t *testing.T) {
	var list []metav1.Condition
	c := Conditions{List: &list, Generation: 3}
	c.Reconciling("Running", "going on")
	if !meta.IsStatusConditionTrue(list, v1alpha1.ConditionReconciling) || !meta.IsStatusConditionFalse(list, v1alpha1.ConditionReady) {
		t.Fatalf("reconciling: %v", list)
	}
	c.Stalled("Invalid", "wrong")
	if meta.FindStatusCondition(list, v1alpha1.ConditionReconciling) != nil || !meta.IsStatusConditionTrue(list, v1alpha1.ConditionStalled) {
		t.Fatalf("stalled: %v", list)
	}
	c.Ready("Valid", strings.Repeat("x", 2*MaxMessage))
	if len(list) != 1 || list[0].Status != metav1.ConditionTrue || list[0].ObservedGeneration != 3 || len(list[0].Message) > MaxMessage {
		t.Fatalf("ready: %v", list)
	}
}
