//go:build unix

package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

// A value that a step hands to the next one arrives as it is, or not at all.
func TestOutputsArriveAsTheyAre(t *testing.T) {
	p := script(step.Bash, `printf 'dir=/opt/app/releases/42\nok=/srv/42\ncolour=\033[1m\nmany<<EOT\n{\n\t"a": 1\n}\nEOT\nbytes=\377\nencoded=%s\n' "$(printf %s "$PW" | base64)" >>"$MANTLE_OUTPUT"`,
		step.EnvVar{Name: "USER_OF_DB", Value: step.SecretRef(0)}, step.EnvVar{Name: "PW", Value: step.SecretRef(1)})
	p.Outputs = []string{"dir", "ok", "colour", "many", "bytes", "encoded", "never"}
	r := newMachine(t).step(p, "app", "hunter2-Tr0ub4dor\n").ok(t)
	if diff := cmp.Diff(map[string]string{"ok": "/srv/42", "many": "{\n\t\"a\": 1\n}"}, r.result.Outputs); diff != "" {
		t.Error(diff)
	}
	said := strings.Join(r.result.Warnings, "\n")
	for _, want := range []string{`"dir" has the value of a Secret in it`, `"colour" has control characters`, `"bytes" is not UTF-8`, `"encoded" has the value of a Secret`, `not written the output "never"`} {
		if !strings.Contains(said, want) || !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in the warnings %q", want, said)
		}
	}
	if strings.Contains(said, "not written the output \"dir\"") {
		t.Errorf("warnings %q", said)
	}
}

// The folder of a package is given as it is, although a word of it is a secret of the step.
func TestThePackagesFolderIsNotMasked(t *testing.T) {
	m := newMachine(t)
	p := m.upload("1.0.0", "x")
	p.Variables = map[string]step.Value{"env": step.SecretRef(0), "v": step.SecretRef(1)}
	p.StepDigest = step.DigestStep(p)
	r := m.step(p, p.Environment, "1.0.0").ok(t)
	if at := r.result.Outputs[step.OutputPackageDirectory]; !strings.Contains(at, "/"+p.Environment+"/") || r.result.Outputs[step.OutputPackageVersion] != "1.0.0" {
		t.Errorf("outputs %v", r.result.Outputs)
	}
	if strings.Contains(r.shown, "/"+p.Environment+"/") {
		t.Errorf("shown %q", r.shown)
	}
}

func TestALineThatIsNoOutputFailsTheStep(t *testing.T) {
	p := script(step.Bash, `printf 'a=1\nhunter2-Tr0ub4dor\n' >>"$MANTLE_OUTPUT"`)
	p.Outputs = []string{"a"}
	r := newMachine(t).step(p, "hunter2-Tr0ub4dor").failed(t, step.ExitFailed, step.ReasonOutputsInvalid)
	if !strings.Contains(r.result.Tail, "line 2 of $MANTLE_OUTPUT is no output") || len(r.result.Outputs) > 0 {
		t.Errorf("%+v", r.result)
	}
	p.Run.Script += "; exit 3" // its own failure is the one that is told
	if r = newMachine(t).step(p, "hunter2-Tr0ub4dor").failed(t, 3, step.ReasonExitCode); !strings.Contains(strings.Join(r.result.Warnings, ""), "line 2") {
		t.Errorf("%+v", r.result)
	}
}

// Progress is one line, in the output and in the tail.
func TestProgressIsOneLine(t *testing.T) {
	p := script(step.Bash, `echo begin; for i in {1..2000}; do printf '\r%d of 2000' $i; done; printf '\r\nfailed\r\n'; exit 1`)
	r := newMachine(t).step(p).failed(t, 1, step.ReasonExitCode)
	if want := "begin\n2000 of 2000\nfailed"; r.result.Tail != want || !strings.HasPrefix(r.stdout, want+"\n") {
		t.Errorf("tail %q, output %q", r.result.Tail, r.stdout)
	}
}

// A script that puts a pipe in the place of its outputs keeps nobody waiting.
func TestAPipeInThePlaceOfTheOutputsIsNotReadFrom(t *testing.T) {
	p := script(step.Bash, `rm "$MANTLE_OUTPUT" && mkfifo "$MANTLE_OUTPUT"`)
	p.Outputs = []string{"a"}
	r := newMachine(t).step(p).ok(t)
	if said := strings.Join(r.result.Warnings, "\n"); !strings.Contains(said, "the outputs cannot be read: ") || !strings.Contains(said, "is not a file") || !r.result.OutputsCut {
		t.Errorf("%+v", r.result)
	}
}
