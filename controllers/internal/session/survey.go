package session

import (
	"fmt"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// enginesFolder is the folder of engines below a Tentacle's home. An engine's file name is its SHA-256.
const enginesFolder = "Files/mantle-engines"

// body is a script for both kinds of Tentacle: PowerShell on Windows, Bash elsewhere.
type body struct{ bash, powershell string }

// survey is what a script found out about a machine whose Tentacle does not report it.
type survey struct {
	os, arch, version, home string
	// engines are the paths of the complete engines on the machine, by digest.
	engines map[string]string
	// raw is how the machine names its system, for a message.
	raw string
}

// The functions of both scripts. The tools that compute digests read standard input, so that file names need no quoting.
const (
	bashStart = `n=%s
home=${TentacleHome:-$(cd ../.. && pwd)}
folder=$home/` + enginesFolder + `
sum() { { if command -v sha256sum >/dev/null 2>&1; then sha256sum; elif command -v shasum >/dev/null 2>&1; then shasum -a 256; else openssl dgst -sha256 -r; fi; } < "$1" | cut -c 1-64; }
tell() { printf '%%s %%s %%s\n' "$n" "$1" "$2"; }
`
	powershellStart = `$ErrorActionPreference = 'Stop'
$n = %s
$root = $env:TentacleHome
if (-not $root) { $root = (Resolve-Path '..\..').Path }
$folder = Join-Path $root '` + enginesFolder + `'.Replace('/', '\')
function Sum($path) {
  $algorithm = [System.Security.Cryptography.SHA256]::Create()
  $file = [System.IO.File]::OpenRead($path)
  try { return [System.BitConverter]::ToString($algorithm.ComputeHash($file)).Replace('-', '').ToLowerInvariant() } finally { $file.Dispose() }
}
function Tell($key, $value) { Write-Output "$n $key $value" }
`
	bashSurvey = `tell system "$(uname -s)"
tell machine "$(uname -m)"
tell version "${TentacleVersion:-}"
tell home "$home"
for s in %s; do
  if [ -x "$folder/$s" ] && [ "$(sum "$folder/$s")" = "$s" ]; then tell engine "$folder/$s"; fi
done
`
	powershellSurvey = `$machine = $env:PROCESSOR_ARCHITEW6432
if (-not $machine) { $machine = $env:PROCESSOR_ARCHITECTURE }
Tell 'system' 'Windows'
Tell 'machine' $machine
Tell 'version' $env:TentacleVersion
Tell 'home' $root
foreach ($s in @(%s)) {
  $path = Join-Path $folder "$s.exe"
  if ((Test-Path -LiteralPath $path -PathType Leaf) -and ((Sum $path) -eq $s)) { Tell 'engine' $path }
}
`
	bashInstall = `s=%s
part=$folder/%s
trap 'rm -f "$part"' EXIT
if [ "$(sum "$part")" != "$s" ]; then echo "the engine did not arrive whole" >&2; exit 1; fi
chmod 755 "$part"
if ! "$part" step --drain </dev/null; then echo "the engine does not run from $folder on this machine" >&2; exit 1; fi
mv -f "$part" "$folder/$s" || exit 1
find "$folder" -type f -name '*.*' -mtime +1 -exec rm -f {} + 2>/dev/null
tell engine "$folder/$s"
`
	powershellInstall = `$s = '%s'
$part = Join-Path $folder '%s'
$path = Join-Path $folder "$s.exe"
if ((Sum $part) -ne $s) { Remove-Item -LiteralPath $part; throw 'the engine did not arrive whole' }
if ((Test-Path -LiteralPath $path) -and ((Sum $path) -eq $s)) { Remove-Item -LiteralPath $part } else { Move-Item -LiteralPath $part -Destination $path -Force }
Get-ChildItem -LiteralPath $folder | Where-Object { $_.Extension -ne '.exe' -and $_.LastWriteTime -lt (Get-Date).AddDays(-1) } | Remove-Item -ErrorAction SilentlyContinue
Tell 'engine' $path
`
)

func start(nonce string) body {
	return body{fmt.Sprintf(bashStart, step.QuoteBash(nonce)), fmt.Sprintf(powershellStart, step.QuotePowerShell(nonce))}
}

// surveyScript prints the system, version and home, and which of the engines with these digests exist.
func surveyScript(nonce string, digests []string) body {
	b := start(nonce)
	b.bash += fmt.Sprintf(bashSurvey, strings.Join(digests, " "))
	quoted := make([]string, len(digests))
	for i, d := range digests {
		quoted[i] = "'" + d + "'"
	}
	b.powershell += fmt.Sprintf(powershellSurvey, strings.Join(quoted, ", "))
	return b
}

// installScript verifies the digest of the uploaded file part and renames it to an engine.
func installScript(nonce, digest, part string) body {
	b := start(nonce)
	b.bash += fmt.Sprintf(bashInstall, digest, part)
	b.powershell += fmt.Sprintf(powershellInstall, digest, part)
	return b
}

// maxValue bounds a value that a machine reports, in bytes.
const maxValue = 4096

// readSurvey parses the lines with the nonce. A machine may print anything: unknown lines are ignored.
func readSurvey(nonce string, lines []string) survey {
	s := survey{engines: map[string]string{}}
	for _, line := range lines {
		rest, found := strings.CutPrefix(line, nonce+" ")
		key, value, _ := strings.Cut(rest, " ")
		if !found || len(value) > maxValue || text.Clean(value) != value {
			continue
		}
		switch key {
		case "system":
			s.os, s.raw = systemOf(value), value+s.raw
		case "machine":
			s.arch, s.raw = archOf(value), s.raw+" on "+value
		case "version":
			s.version = clean(value, maxVersion)
		case "home":
			s.home = value
		case "engine":
			if digest := digestIn(value); digest != "" {
				s.engines[digest] = value
			}
		}
	}
	return s
}

// digestIn returns the digest in the name of an engine's file; empty if it is none.
func digestIn(path string) string {
	name := strings.TrimSuffix(path[strings.LastIndexAny(path, `/\`)+1:], ".exe")
	if !step.IsSHA256(name) {
		return ""
	}
	return name
}

// systemOf and archOf return Go's names for what uname and Windows report; empty if there is no engine for it.
func systemOf(said string) string {
	switch said {
	case "Linux", "Darwin", "Windows":
		return strings.ToLower(said)
	default:
		return ""
	}
}

func archOf(said string) string {
	switch strings.ToLower(said) {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	default:
		return ""
	}
}
