package engine

import (
	"runtime"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
)

func powershells() []string {
	if runtime.GOOS == "windows" {
		return []string{"powershell", "pwsh"}
	}
	return []string{"pwsh"}
}

// powershell runs a script so that every exception that it does not catch ends it with code 1, whatever $ErrorActionPreference
// says, and that the code of the last program it ran is its own otherwise.
func powershell(script string) []string {
	text := strings.ReplaceAll(strings.Join(powershellText, " "), "{script}", step.QuotePowerShell(script))
	return []string{"-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Unrestricted", "-Command", text}
}

// powershellText is what PowerShell is told to do. Only within a try is every exception one that ends the script. What is told of
// it is written past PowerShell's own view of errors, which colours a message and folds it into lines: a sensitive value in it
// could no longer be found. That is why this is no file of its own, too: it would have the messages of Write-Error folded.
// The preferences are those that Octopus sets. Text is UTF-8 whatever the machine's language is: where there is no console to
// set, and in the language mode of a locked machine, it stays as it was. There are no double quotes in it, which Windows' command lines would need escaped,
// and it sets no variables of its own.
var powershellText = []string{
	"$ErrorActionPreference = 'Stop'; $PSNativeCommandArgumentPassing = 'Legacy'; $MaximumVariableCount = 32768;",
	"try { [Console]::InputEncoding = [Console]::OutputEncoding = $OutputEncoding = New-Object Text.UTF8Encoding $false } catch { };",
	"try { . {script} } catch {",
	"try { [Console]::Error.WriteLine((@(",
	"(($_.CategoryInfo.Category, $_.Exception.Message) -join ': '),",
	"$(if ($_.InvocationInfo) { $_.InvocationInfo.PositionMessage }),",
	"($_.ScriptStackTrace -replace '\\s*at <ScriptBlock>, <No file>: line \\d+\\s*$'),",
	"$(if ($_.ErrorDetails) { $_.ErrorDetails.ToString() })",
	") -match '\\S' -join [Environment]::NewLine)) } catch { [string]$_ }",
	"exit 1 };",
	"if (Test-Path variable:global:LASTEXITCODE) { exit $LASTEXITCODE }",
}
