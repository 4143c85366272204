package target

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// repeating is a checker of machines that are always healthy, within a bubble of synctest.
func repeating(t *testing.T) (c *checker, m *machines, told *int) {
	t.Helper()
	m, told = &machines{}, new(int)
	m.facts.Version = ""
	c = newChecker(m, func(types.NamespacedName) { *told++ }, time.Now)
	return c, m, told
}

func TestAHealthyMachineIsCheckedWithoutAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, told := repeating(t)
		c.latest(aTarget(), "f", 5*time.Minute, checkSpec{})
		synctest.Wait()
		c.latest(aTarget(), "f", 5*time.Minute, checkSpec{}) // it was told of the first result
		time.Sleep(25 * time.Minute)
		synctest.Wait()
		if m.probes < 5 || m.probes > 7 || *told != 1 {
			t.Errorf("%d checks in 25 minutes, told %d times", m.probes, *told)
		}
		c.forget(client.ObjectKeyFromObject(aTarget()))
		before := m.probes
		time.Sleep(time.Hour)
		synctest.Wait()
		if m.probes != before || len(c.targets) != 0 {
			t.Errorf("%d checks of a deleted target, %d are remembered", m.probes-before, len(c.targets))
		}
	})
}

func TestAnotherIdentityIsNoticedAtTheNextCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, told := repeating(t)
		c.valid = func(context.Context, checkSpec) bool { return false }
		c.latest(aTarget(), "f", 5*time.Minute, checkSpec{})
		synctest.Wait()
		c.latest(aTarget(), "f", 5*time.Minute, checkSpec{})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if m.probes != 1 || *told != 2 {
			t.Errorf("%d checks, told %d times", m.probes, *told)
		}
		if c.latest(aTarget(), "f", 5*time.Minute, checkSpec{}); !c.checksNow(t) {
			t.Error("the next pass starts no check")
		}
	})
}

// checksNow reports whether a check is in progress.
func (c *checker) checksNow(t *testing.T) bool {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.targets[client.ObjectKeyFromObject(aTarget())].stop != nil
}
