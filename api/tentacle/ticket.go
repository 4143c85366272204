package tentacle

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The bounds that the services share.
const (
	// MaxWait is the longest that StartScript and WaitForStatus keep a caller waiting.
	MaxWait = 60 * time.Second
	// MaxResponse bounds the output in one response, in bytes; an entry counts as EntryCost. A response has more where one entry
	// alone does.
	MaxResponse = 4 << 20
	// MaxStatus is MaxResponse for GetStatus, whose callers may take long until they ask again.
	MaxStatus = 192 << 20
	// MaxLine bounds the text of one entry, in bytes; a longer line becomes several entries.
	MaxLine = 4 << 20
	// MaxEntry is how long a line may be, in bytes, that never becomes several entries.
	MaxEntry = 64 << 10
	// DefaultMutex is the isolation mutex of a command that names none.
	DefaultMutex = "RunningScript"
	// PowerShellScript is the other key of StartScriptCommandV2.Scripts, of which no Tentacle takes notice.
	PowerShellScript = "PowerShell"
	// BashScript is the key of StartScriptCommandV2.Scripts that goes before ScriptBody, except on Windows.
	BashScript = "Bash"
)

// The lines that a Tentacle itself writes to StdOut. StdoutWait and StdoutDefault stand around the sentence
// that tells of a wait for the isolation mutex.
const (
	StdoutWait    = "##octopus[stdout-wait]"
	StdoutDefault = "##octopus[stdout-default]"
	TimedOutLine  = "Script execution timed out."
)

const (
	maxTicket        = 100
	entryOverhead    = 64
	alreadyCompleted = "already completed"
	withExitCode     = ", exit code "
	refusedByPolicy  = "refused by the machine's policy, rule "
	abandoned        = "Abandoned: the script was cancelled, but these of its processes could not be ended: "
)

// ValidTicket tells whether a ticket is one that a Tentacle accepts: 1 to 100 of A-Z a-z 0-9 . _ - and
// neither "." nor "..". StartScript answers any other with ExitBadTicket.
func ValidTicket(id string) bool { //nolint:cyclop // the characters that a ticket may have
	if id == "" || len(id) > maxTicket || id == "." || id == ".." {
		return false
	}
	for _, c := range []byte(id) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// CanonicalTicket is the form of a valid ticket under which a Tentacle keeps it: lower case.
func CanonicalTicket(id string) string {
	return strings.ToLower(id)
}

// EntryCost is what an entry counts towards MaxResponse and MaxStatus.
func EntryCost(o ProcessOutput) int {
	return len(o.Text) + entryOverhead
}

// AlreadyCompletedLine is the StdErr line of a status with ExitAlreadyCompleted. The exit code is nil while
// the script, completed by its operator before its end, still runs.
func AlreadyCompletedLine(exitCode *int32) string {
	if exitCode == nil {
		return alreadyCompleted
	}
	return alreadyCompleted + withExitCode + strconv.FormatInt(int64(*exitCode), 10)
}

// ParseAlreadyCompleted takes the exit code of the script out of a status with ExitAlreadyCompleted. It is
// not ok for any other status, and for one that names no exit code since the script still runs.
func ParseAlreadyCompleted(r ScriptStatusResponseV2) (exitCode int32, ok bool) {
	if r.State != Complete || r.ExitCode != ExitAlreadyCompleted {
		return 0, false
	}
	for _, o := range r.Logs {
		_, number, found := strings.Cut(o.Text, alreadyCompleted+withExitCode)
		if o.Source != StdErr || !found {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			continue
		}
		return int32(n), true
	}
	return 0, false
}

// RefusedByPolicy is the text of a refusal by the policy of the machine's owner: the rule's name, as the policy
// file spells it, and why. It is on StdErr of a status with ExitRefused, and in the error of a refused transfer.
func RefusedByPolicy(rule, why string) string { return refusedByPolicy + rule + ": " + why }

// ParseRefusedByPolicy finds such a refusal in a text and takes it apart. It is not ok where there is none: a
// machine also refuses whom its owner no longer trusts.
func ParseRefusedByPolicy(text string) (rule, why string, ok bool) {
	_, refusal, found := strings.Cut(text, refusedByPolicy)
	if !found {
		return "", "", false
	}
	rule, why, found = strings.Cut(refusal, ": ")
	if !found || rule == "" || len(rule) > maxTicket || strings.ContainsAny(rule, " \n") {
		return "", "", false
	}
	why, _, _ = strings.Cut(why, "\n")
	return rule, why, true
}

// Abandoned is the line of a Tentacle's on StdErr, the last one, of a status with ExitAbandoned: the ids of the processes
// that could not be ended.
func Abandoned(pids []int) string { return abandoned + fmt.Sprint(pids) }

// maxPids bounds the ids that are read.
const maxPids = 100

// ParseAbandoned takes the ids out of such a line. It is not ok for any other text: what a script itself wrote never
// names a process.
func ParseAbandoned(line string) (pids []int, ok bool) {
	list, found := strings.CutPrefix(strings.TrimSpace(line), abandoned+"[")
	list, closed := strings.CutSuffix(list, "]")
	if !found || !closed {
		return nil, false
	}
	for _, field := range strings.Fields(list) {
		pid, err := strconv.ParseInt(field, 10, 32)
		if err != nil || pid <= 0 || len(pids) == maxPids {
			return nil, false
		}
		pids = append(pids, int(pid))
	}
	return pids, true
}

// BodyFor is the script that a Tentacle on the given system (as runtime.GOOS names it) runs.
func (c StartScriptCommandV2) BodyFor(system string) string {
	if body, found := c.Scripts[BashScript]; found && system != "windows" {
		return body
	}
	return c.ScriptBody
}
