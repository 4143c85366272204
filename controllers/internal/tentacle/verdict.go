package tentacle

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// verdict is how an action ended.
type verdict struct {
	outcome         Outcome
	reason, message string
	exitCode        *int32
	result          step.Result
	pid             int
}

func failed(reason, message string) verdict {
	return verdict{outcome: OutcomeFailed, reason: reason, message: message}
}

func lost(message string) verdict {
	return verdict{outcome: OutcomeLost, reason: v1alpha1.ReasonLost, message: message}
}

// judge reads a complete script: the engine's result where there is one, else what the Tentacle's exit code tells.
func (f *follower) judge() verdict {
	code := f.response.ExitCode
	if result, found := f.scanner.Result(); found {
		return judgeResult(code, result)
	}
	if f.again {
		return lost(f.twice())
	}
	if f.isCancelled() {
		if v, certain := f.judgeCancelled(); certain {
			return v
		}
	}
	v := judgeCode(code, f.stderr.String())
	if v.exitCode == nil && code >= 0 {
		v.exitCode = &code
	}
	return v
}

// twice says why nobody knows how a step ended that may have been started twice: its engine would have told.
func (f *follower) twice() string {
	text := "the machine forgets what it started, so the step was started again"
	if f.isCancelled() {
		text += "; the cancel reached the second start, and the first may have run or may still run"
	} else if line := f.stderr.String(); line != "" {
		text += ": " + line
	} else {
		text += fmt.Sprintf("; the second start ended with exit code %d and told no result", f.response.ExitCode)
	}
	return text
}

// judgeCancelled reads how a script ended that was cancelled and left no result. Octopus's Tentacles kill the engine, and
// answer whatever exit code that gives.
func (f *follower) judgeCancelled() (verdict, bool) {
	code := f.response.ExitCode
	switch {
	case unknown(f.response) && !f.known:
		// It never arrived, and a machine with tombstones will refuse it from now on.
		return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: "cancelled before it began"}, true
	case code == -1 || code > 0:
		return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: "cancelled"}, true
	default:
		return verdict{}, false
	}
}

func (f *follower) isCancelled() bool {
	select {
	case <-f.cancelled:
		return true
	default:
		return false
	}
}

func judgeResult(code int32, result step.Result) verdict {
	own := int32(result.ExitCode)
	v := verdict{result: result, exitCode: &own, message: result.Tail}
	switch {
	case code == tentacle.ExitCanceled || result.Reason == step.ReasonCancelled:
		v.outcome, v.reason = OutcomeCancelled, v1alpha1.ReasonCancelled
	case result.Reason == step.ReasonTimedOut:
		v.outcome, v.reason = OutcomeTimedOut, v1alpha1.ReasonTimedOut
	case result.ExitCode == 0:
		v.outcome = OutcomeSucceeded
	default:
		v.outcome, v.reason = OutcomeFailed, result.Reason
		if v.reason == "" {
			v.reason = v1alpha1.ReasonExitCode
		}
	}
	return v
}

// judgeCode reads the exit codes that Tentacles give by themselves (api/tentacle); line is the end of stderr.
func judgeCode(code int32, line string) verdict {
	say := func(text string) string { return cmp.Or(line, text) }
	switch code {
	case tentacle.ExitCanceled:
		return verdict{outcome: OutcomeCancelled, reason: v1alpha1.ReasonCancelled, message: say("cancelled")}
	case tentacle.ExitTimeout:
		return verdict{outcome: OutcomeTimedOut, reason: v1alpha1.ReasonMutexTimedOut, message: "the machine was busy with other scripts for longer than the step may take"}
	case tentacle.ExitUnknownScript, tentacle.ExitUnknownResult:
		return lost("the machine does not know any more how the script ended")
	case tentacle.ExitLost:
		return lost(say("the machine lost the script"))
	case tentacle.ExitRefused:
		return refusal(line, say("the machine's owner does not allow it"))
	case tentacle.ExitAlreadyCompleted:
		return alreadyCompleted(line)
	case tentacle.ExitAbandoned:
		return verdict{outcome: OutcomeAbandoned, reason: v1alpha1.ReasonAbandoned, message: say("processes survived the cancel"), pid: firstNumber(line)}
	case 0:
		return lost("the script ended without the engine's result")
	case step.ExitClaimed:
		return lost(say("the step was started before, and how it ended is not known"))
	case step.ExitEngineMissing:
		return failed(v1alpha1.ReasonTransferFailed, say("the engine is not on the machine any more; it is brought again with the next try"))
	default:
		return failed(v1alpha1.ReasonEngineFailed, say(fmt.Sprintf("the engine ended with exit code %d", code)))
	}
}

// refusedError is a question on the way to an action which the machine refused to answer.
type refusedError struct{ reason, message string }

// Error is what the machine said.
func (e *refusedError) Error() string { return e.message }

// refusal is the verdict on a script that the machine did not begin; line is what it said, message what is shown where
// that names no rule of a policy.
func refusal(line, message string) verdict {
	if v, found := byPolicy(line); found {
		return v
	}
	return verdict{outcome: OutcomeRefused, reason: v1alpha1.ReasonRefused, message: message}
}

// byPolicy is the verdict where a text says that the policy of the machine's owner refused something.
func byPolicy(text string) (verdict, bool) {
	rule, why, found := tentacle.ParseRefusedByPolicy(text)
	return verdict{outcome: OutcomeRefused, reason: v1alpha1.ReasonRefusedByPolicy, message: "rule " + rule + " of the machine's policy: " + why}, found
}

// alreadyCompleted reads the earlier exit code of a ticket that was completed; its output is gone.
func alreadyCompleted(line string) verdict {
	code, known := tentacle.ParseAlreadyCompleted(tentacle.ScriptStatusResponseV2{State: tentacle.Complete, ExitCode: tentacle.ExitAlreadyCompleted,
		Logs: []tentacle.ProcessOutput{{Source: tentacle.StdErr, Text: line}}})
	switch {
	case !known:
		return lost("the ticket was completed before and its result was not kept")
	case code == 0:
		return verdict{outcome: OutcomeSucceeded, exitCode: &code}
	default:
		v := failed(v1alpha1.ReasonExitCode, fmt.Sprintf("exit code %d; the output is gone, as the ticket was completed before", code))
		v.exitCode = &code
		return v
	}
}

var digits = regexp.MustCompile(`\d+`)

func firstNumber(text string) int {
	n, err := strconv.Atoi(digits.FindString(text))
	if err != nil {
		return 0
	}
	return n
}

// tail keeps the end of a text.
type tail struct{ lines []string }

const tailLines = 10

func (t *tail) add(line string) {
	if len(line) > step.MaxTail {
		line = line[len(line)-step.MaxTail:]
	}
	if t.lines = append(t.lines, line); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	text := strings.Join(t.lines, "\n")
	if len(text) > step.MaxTail {
		text = text[len(text)-step.MaxTail:]
	}
	return strings.ToValidUTF8(text, "")
}
