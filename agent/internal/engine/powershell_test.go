//go:build unix

package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

// needPowerShell skips a test on a machine without PowerShell.
func needPowerShell(t *testing.T) {
	t.Helper()
	if _, err := find(step.PowerShell, "x"); err != nil {
		t.Skip(err)
	}
}

// A PowerShell script ends as it does in Octopus.
func TestHowAPowerShellScriptEnds(t *testing.T) {
	needPowerShell(t)
	const any = "(any)" // a text that is not compared
	quiet := func(preference, script string) string {
		return fmt.Sprintf("$ErrorActionPreference = '%s'; %s; 'after'", preference, script)
	}
	type ending struct {
		script string
		code   int
		stdout string // without the last line end
		stderr string // its first line
	}
	cases := []ending{
		// The end, and the code of the last program.
		{`'ok'`, 0, "ok", ""},
		{`'a'; return; 'b'`, 0, "a", ""},
		{`/bin/sh -c 'exit 5'; 'after'`, 5, "after", ""},
		{`/bin/sh -c 'exit 5'; $global:LASTEXITCODE = 0`, 0, "", ""},
		{`function f { /bin/sh -c 'exit 6' }; f`, 6, "", ""},
		{`try { /bin/sh -c 'exit 6' } catch { 'caught' }`, 6, "", ""},
		{`$x = /bin/sh -c 'echo out; exit 6'; $x`, 6, "out", ""},
		{`/bin/sh -c 'echo bad >&2'; [Console]::Error.WriteLine('worse')`, 0, "", "bad"},
		{`/bin/sh -c 'exit 2'; if ($LASTEXITCODE -ne 0) { throw "failed with $LASTEXITCODE" }`, 1, "", "OperationStopped: failed with 2"},
		{`$PSNativeCommandUseErrorActionPreference = $true; /bin/sh -c 'exit 6'; 'after'`, 1, "", any},
		{`/bin/echo 'a "b" c' '' '{\"d\": 1}'`, 0, `a b c {"d": 1}`, ""},
		// exit.
		{`'a'; exit 3; 'b'`, 3, "a", ""},
		{`exit -1`, 255, "", ""},
		{`exit 256`, 0, "", ""},
		{`function f { exit 4 }; f; 'after'`, 4, "", ""},
		{`1..3 | ForEach-Object { if ($_ -eq 2) { exit 4 }; $_ }; 'after'`, 4, "1", ""},
		{`New-Module { function g { exit 4 } } | Out-Null; g; 'after'`, 4, "", ""},
		{`try { exit 4 } catch { 'caught' } finally { 'finally' }`, 4, "finally", ""},
		// Exceptions.
		{`'a'; throw 'boom'; 'b'`, 1, "a", "OperationStopped: boom"},
		{"throw \"one`ntwo\"", 1, "", "OperationStopped: one"},
		{`throw 'größe 🐙'`, 1, "", "OperationStopped: größe 🐙"},
		{`Write-Error 'bad'; 'after'`, 1, "", "NotSpecified: bad"},
		{`1/0; 'after'`, 1, "", "NotSpecified: Attempted to divide by zero."},
		{`Get-Item /no/such -ErrorAction Stop`, 1, "", "ObjectNotFound: Cannot find path '/no/such' because it does not exist."},
		{`Set-StrictMode -Version Latest; $undefined`, 1, "", any},
		{`Set-StrictMode -Version Latest; throw 'x'`, 1, "", "OperationStopped: x"},
		{`try { throw 'x' } finally { 'finally' }`, 1, "finally", "OperationStopped: x"},
		{`try { throw 'x' } catch { 'caught' }; 'after'`, 0, "caught\nafter", ""},
		{`Invoke-Nothing; 'after'`, 1, "", any},
		{`if (`, 1, "", any},
		{`Read-Host 'name'`, 1, "", any},
		{quiet("Continue", `throw 'x'`), 1, "", "OperationStopped: x"},
		{quiet("SilentlyContinue", `throw 'x'`), 1, "", "OperationStopped: x"},
		{quiet("Ignore", `function f { throw 'x' }; f`), 1, "", "OperationStopped: x"},
		{quiet("Continue", `1/0`), 1, "", "NotSpecified: Attempted to divide by zero."},
		{quiet("SilentlyContinue", `& { $ErrorActionPreference = 'Continue'; [int]'x' }`), 1, "", any},
		{quiet("Ignore", `[IO.File]::ReadAllText('/no/such')`), 1, "", any},
		{quiet("Continue", `Invoke-Nothing`), 1, "", any},
		{quiet("SilentlyContinue", `$null.Foo()`), 1, "", any},
		{quiet("Ignore", `Get-Item /no/such -ErrorAction Stop`), 1, "", any},
		{quiet("Continue", `Get-Item -NoSuch`), 1, "", any},
		// What only says more.
		{quiet("Continue", `Write-Error 'bad'`), 0, "after", any},
		{quiet("Continue", `Get-Item /no/such`), 0, "after", any},
		{quiet("SilentlyContinue", `Write-Error 'bad'`), 0, "after", ""},
		{quiet("Continue", `/bin/sh -c 'exit 3'`), 3, "after", ""},
		{`Write-Error 'bad' -ErrorAction SilentlyContinue; 'after'`, 0, "after", ""},
		{`Write-Progress -Activity a -PercentComplete 50; 'after'`, 0, "after", ""},
		// The beginning of a script.
		{"param($A = 'a', [string]$B = 'b')\n\"$A|$B\"", 0, "a|b", ""},
		{"param([Parameter(Mandatory)]$A)\n$A", 1, "", any},
		{"using namespace System.Collections.Generic\n[List[int]]::new().Count", 0, "0", ""},
		{"#requires -Version 5.1\n'ok'", 0, "ok", ""},
		{"\uFEFF'a'\r\n'b'", 0, "a\nb", ""},
		{"$x = @\"\r\na\r\nb\r\n\"@\r\n$x.Length", 0, "4", ""},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.script, "/", "_"), func(t *testing.T) {
			t.Parallel()
			r := newMachine(t).step(script(step.PowerShell, c.script))
			if r.code != c.code || !r.hasResult || r.result.ExitCode != c.code || (r.result.Reason == step.ReasonExitCode) != (c.code != 0) {
				t.Errorf("code %d, result %+v, want %d", r.code, r.result, c.code)
			}
			if got := strings.TrimSuffix(r.shown, "\n"); got != c.stdout {
				t.Errorf("stdout %q, want %q", got, c.stdout)
			}
			first, _, _ := strings.Cut(r.stderr, "\n")
			if c.stderr == any && c.code != 0 && first == "" || c.stderr != any && first != c.stderr {
				t.Errorf("stderr %q, want %q", r.stderr, c.stderr)
			}
		})
	}
}

// PowerShell folds messages into lines of 80 columns, and colours them; the value of a Secret in them is masked all the same.
func TestASecretInWhatPowerShellFoldsIsMasked(t *testing.T) {
	needPowerShell(t)
	const secret = "Server=db.internal; User Id=sa; Password=Tr0ub4dor&3 horse staple"
	p := script(step.PowerShell, `$ErrorActionPreference = 'Continue'
foreach ($mode in 'PlainText', 'Ansi') {
  $PSStyle.OutputRendering = $mode
  foreach ($before in '', 'with', 'with the password of', 'with the password of today', 'with the password of today and all other days') {
    Get-Item "/no/such/$before $env:CONN and more"
    Write-Error "cannot log in $before $env:CONN"
    Write-Warning "cannot log in $before $env:CONN"
  }
}
throw "cannot log in with $env:CONN"`, step.EnvVar{Name: "CONN", Value: step.SecretRef(0)})
	r := newMachine(t).step(p, secret).failed(t, 1, step.ReasonExitCode)
	said := r.stdout + r.stderr + r.result.Tail
	for _, word := range strings.FieldsFunc(secret, func(c rune) bool { return strings.ContainsRune(" ;=", c) }) {
		if at := strings.Index(said, word); len(word) > 4 && at >= 0 {
			t.Errorf("%q is shown: %q", word, said[max(at-200, 0):min(at+100, len(said))])
		}
	}
	if !strings.Contains(r.result.Tail, "\nOperationStopped: cannot log in with ********\n") {
		t.Errorf("tail %q", r.result.Tail)
	}
}

// What a script prints is UTF-8, whatever encoding the machine's language has, so that nothing is lost and secrets are masked.
func TestPowerShellWritesUTF8InEveryLanguage(t *testing.T) {
	needPowerShell(t)
	m := newMachine(t)
	m.env = []string{"LC_ALL=", "LC_MESSAGES=", "LANG=de_DE.ISO-8859-1"}
	p := script(step.PowerShell, `"grüße 漢 🐙"
Write-Host "ß"
[Console]::Out.WriteLine("ü")
"ä✓" | /bin/cat
$said = /bin/echo "é✓"; "$said $($said.Length)"
[Console]::Error.WriteLine("Ö")
$env:PASSWORD`, step.EnvVar{Name: "PASSWORD", Value: step.SecretRef(0)})
	r := m.step(p, "schloß-und-Riegel").ok(t)
	if want := "grüße 漢 🐙\nß\nü\nä✓\né✓ 2\n********\n"; r.shown != want || r.stderr != "Ö\n" {
		t.Errorf("it printed %q and %q, want %q", r.shown, r.stderr, want)
	}
}

// Windows' editors and people make quotes of all kinds, and PowerShell takes each for one that ends a text.
func TestAPowerShellScriptRunsInAHomeOfAnyName(t *testing.T) {
	needPowerShell(t)
	m := newMachine(t)
	m.home = filepath.Join(m.home, "Kim’s ‘own’ ‚and‛ \"last\" 'home' $HOME `a [1]")
	if r := m.step(script(step.PowerShell, `"ran"`)).ok(t); r.shown != "ran\n" {
		t.Errorf("it printed %q, %q", r.shown, r.stderr)
	}
}

// A file of outputs is read in the encodings that PowerShell writes with a byte-order mark.
func TestOutputsOfPowerShellInItsEncodings(t *testing.T) {
	needPowerShell(t)
	for _, encoding := range []string{"unicode", "bigendianunicode", "utf32"} {
		p := script(step.PowerShell, "'first=grüße 🐙', 'second=2' | Out-File -Append -Encoding "+encoding+" $env:MANTLE_OUTPUT")
		p.Outputs = []string{"first", "second"}
		r := newMachine(t).step(p).ok(t)
		if diff := cmp.Diff(map[string]string{"first": "grüße 🐙", "second": "2"}, r.result.Outputs); diff != "" {
			t.Errorf("%s: %s", encoding, diff)
		}
	}
}
