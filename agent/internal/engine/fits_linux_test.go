package engine

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/step"
)

// What the system would refuse is told by name, with the way around, and nothing is refused that the system takes.
func TestWhatTheSystemRefusesIsToldByName(t *testing.T) {
	run := func(env []string) error {
		cmd := exec.Command("/bin/true")
		cmd.Env = env
		return cmd.Run()
	}
	for size, taken := range map[int]bool{longest(): true, longest() + 1: false} {
		env := []string{"BIG=" + strings.Repeat("x", size-len("BIG="))}
		if err := run(env); (err == nil) != taken {
			t.Fatalf("the system itself says of %d bytes: %v", size, err)
		}
		if err := fits([]string{"/bin/true"}, env, longest()); (err == nil) != taken || !taken && !strings.Contains(err.Error(), fmt.Sprintf("environment variable BIG has %d bytes", size)) {
			t.Errorf("of %d bytes: %v", size, err)
		}
	}
	if err := fits([]string{"/bin/true", strings.Repeat("x", longest()+1)}, nil, longest()); err == nil || !strings.Contains(err.Error(), "an argument of /bin/true") {
		t.Errorf("of an argument: %v", err)
	}
}

func TestAStepWhoseEnvironmentIsTooLarge(t *testing.T) {
	value := strings.Repeat("s3cret ", 18_000)
	many := []step.EnvVar{{Name: "CONFIG", Value: step.Text("more" + value)}}
	for i := range 60 { // 7 MB, more than any limit of the stack allows
		many = append(many, step.EnvVar{Name: fmt.Sprintf("E%d", i), Value: step.SecretRef(0)})
	}
	for says, env := range map[string][]step.EnvVar{
		"the environment variable CONFIG has 140007 bytes": {{Name: "CONFIG", Value: step.SecretRef(1)}},
		"the largest is CONFIG with":                       many,
	} {
		r := newMachine(t).step(script(step.Bash, "true", env...), value, strings.Repeat("s3cret ", 20_000)).failed(t, step.ExitFailed, step.ReasonEnvironmentTooLarge)
		if said := r.stdout + r.stderr; !strings.Contains(said, says) || !strings.Contains(said, "MANTLE_VARIABLES") || strings.Contains(said, "s3cret") {
			t.Errorf("it says %q, want %q", said, says)
		}
	}
}
