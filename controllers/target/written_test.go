package target

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// After a write the cache shows the target as it was for a moment. Writing it once more would conflict, which made one
// request in five of a large run a useless one.
func TestATargetIsNotWrittenFromAVersionThatWasReplaced(t *testing.T) {
	w, web := writes{}, types.NamespacedName{Namespace: "shop", Name: "web-1"}
	if w.has(web, "5") {
		t.Error("a version counts as replaced that was not")
	}
	w.add(web, "5")
	for range 2 {
		if !w.has(web, "5") {
			t.Error("a version that was replaced is written from")
		}
	}
	if w.has(web, "6") || len(w.replaced) != 0 {
		t.Errorf("with its next version the target is not forgotten: %v", w.replaced)
	}
	w.add(web, "6")
	if w.forget(web); len(w.replaced) != 0 {
		t.Error("a target that is gone is remembered")
	}
}
