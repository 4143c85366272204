package session

import (
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// The result of a script is not late because an answer that told of something else came before it. A machine that has news all
// the time is asked at a rate all the same.
func TestNoPauseDelaysTheResultOfAShortScript(t *testing.T) {
	c := awayPool(t).NewScript("t", "nonce", nil)
	answer := func(state tentacle.ProcessState, took time.Duration) time.Duration {
		r := tentacle.ScriptStatusResponseV2{State: state, NextLogSequence: c.Last() + 1, Logs: []tentacle.ProcessOutput{{Text: "line"}}}
		c.take(r)
		c.setDelay(true, took)
		return c.Delay()
	}
	c.take(tentacle.ScriptStatusResponseV2{State: tentacle.Pending}) // of StartScript
	if c.Delay() != 0 {
		t.Errorf("a pause of %s after the start", c.Delay())
	}
	const took = time.Millisecond
	for n, state := range []tentacle.ProcessState{tentacle.Running, tentacle.Running} {
		if d := answer(state, took); d != 0 {
			t.Errorf("a pause of %s after answer %d", d, n+1)
		}
	}
	for range 3 {
		if d := answer(tentacle.Running, took); d != minPause-took {
			t.Errorf("a pause of %s where there is news all the time", d)
		}
	}
	if d := answer(tentacle.Running, time.Second); d != 0 {
		t.Errorf("a pause of %s after an answer that was waited for", d)
	}
	if d := answer(tentacle.Running, took); d != 0 {
		t.Errorf("a pause of %s after the next", d)
	}
}

// The end of a script on a machine that cannot hold its answer is seen soon, and a long one is not asked for all the time.
func TestTheEndOfAScriptIsSeenWithinATenthOfItsLength(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 5 * time.Second, 31 * time.Second, 5 * time.Minute, time.Hour} {
		since, asked := time.Duration(0), 0
		for since < length {
			since += sincePause(since)
			asked++
		}
		if late := since - length; late > max(length/10, shortest) || late > longestOfLong || length < longScript && late > longest {
			t.Errorf("the end of a script of %s is seen %s late", length, late)
		}
		if most := 60 + int(length/(1500*time.Millisecond)); asked > most {
			t.Errorf("a script of %s is asked for %d times", length, asked)
		}
	}
}
