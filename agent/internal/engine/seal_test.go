//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/step"
)

func TestOnlyThePlanThatTheTentacleSawIsCarriedOut(t *testing.T) {
	tests := map[string]struct {
		file   string // what another script changes, "" for nothing
		change func(string) string
	}{
		"nothing":      {},
		"the plan":     {step.PlanFile, func(s string) string { return strings.Replace(s, "echo harmless", "echo changed!", 1) }},
		"the secrets":  {step.SecretsFile, func(s string) string { return strings.Replace(s, "c2VjcmV0LTE=", "c2VjcmV0LTI=", 1) }},
		"secrets gone": {step.SecretsFile, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			cmd, folder := m.command(script(step.Bash, "echo harmless"), "secret-1")
			plan, err := os.ReadFile(filepath.Join(folder, step.PlanFile))
			if err != nil {
				t.Fatal(err)
			}
			secrets, err := os.ReadFile(filepath.Join(folder, step.SecretsFile))
			if err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(cmd.Env, step.EnvSeal+"="+step.Seal(plan, secrets))
			path := filepath.Join(folder, tt.file)
			switch {
			case tt.file == "":
			case tt.change == nil:
				err = os.Remove(path)
			default:
				before := map[string]string{step.PlanFile: string(plan), step.SecretsFile: string(secrets)}[tt.file]
				if tt.change(before) == before {
					t.Fatal("the test changes nothing")
				}
				err = os.WriteFile(path, []byte(tt.change(before)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			out, _ := cmd.CombinedOutput()
			code := cmd.ProcessState.ExitCode()
			if tt.file == "" {
				if code != 0 || !strings.Contains(string(out), "harmless") {
					t.Errorf("untouched: code %d: %s", code, out)
				}
				return
			}
			if code != step.ExitPlanRefused || !strings.Contains(string(out), "changed on this machine") || strings.Contains(string(out), "harmless") {
				t.Errorf("code %d: %s", code, out)
			}
		})
	}
}

func TestAScriptIsNotToldTheSeal(t *testing.T) {
	m := newMachine(t)
	cmd, folder := m.command(script(step.Bash, `echo "seal:${MANTLE_SEAL-none}"`))
	plan, err := os.ReadFile(filepath.Join(folder, step.PlanFile))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, step.EnvSeal+"="+step.Seal(plan, nil))
	if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), "seal:none") {
		t.Errorf("%s", out)
	}
}
