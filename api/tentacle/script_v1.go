package tentacle

import (
	"strconv"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	legacyTypes     = "Octopus.Shared.Contracts."
	legacyAssembly  = ", Octopus.Shared"
	contractsPrefix = "Octopus.Tentacle.Contracts."
)

// alias is the newer of the two names of a type of script service V1; its older one is written (halibut.md
// section 5.5).
func alias(name string) []string { return []string{contractsPrefix + name + contracts} }

// HalibutType is the name of the type on the wire, where a ticket is the result of StartScript of V1.
func (ScriptTicket) HalibutType() string { return legacyTypes + "ScriptTicket" + legacyAssembly }

// HalibutAliases are the further names that a reader accepts.
func (ScriptTicket) HalibutAliases() []string { return alias("ScriptTicket") }

// StartScriptCommand starts a script by script service V1. Each one that arrives starts another script.
type StartScriptCommand struct {
	ScriptBody                  string               `bson:"ScriptBody"`
	Isolation                   ScriptIsolationLevel `bson:"Isolation"`
	Scripts                     map[string]string    `bson:"Scripts"`
	Files                       []ScriptFile         `bson:"Files"`
	Arguments                   []string             `bson:"Arguments"`
	TaskID                      *string              `bson:"TaskId"`
	ScriptIsolationMutexTimeout halibut.TimeSpan     `bson:"ScriptIsolationMutexTimeout"`
	IsolationMutexName          *string              `bson:"IsolationMutexName"`
}

// HalibutType is the name of the type on the wire, the older of its two names as every peer knows it.
func (StartScriptCommand) HalibutType() string {
	return legacyTypes + "StartScriptCommand" + legacyAssembly
}

// HalibutAliases are the further names that a reader accepts.
func (StartScriptCommand) HalibutAliases() []string { return alias("StartScriptCommand") }

// Under is the command for script service V2 that starts the same script under a ticket, without waiting.
func (c StartScriptCommand) Under(ticket ScriptTicket) StartScriptCommandV2 {
	v2 := StartScriptCommandV2{
		ScriptTicket: ticket, ScriptBody: c.ScriptBody, Isolation: c.Isolation,
		ScriptIsolationMutexTimeout: c.ScriptIsolationMutexTimeout, IsolationMutexName: c.IsolationMutexName,
		Scripts: c.Scripts, Files: c.Files, Arguments: c.Arguments,
	}
	if c.TaskID != nil {
		v2.TaskID = *c.TaskID
	}
	return v2
}

// ScriptStatusRequest asks script service V1 for the status, and for output after LastLogSequence.
type ScriptStatusRequest struct {
	Ticket          ScriptTicket `bson:"Ticket"`
	LastLogSequence int64        `bson:"LastLogSequence"`
}

// HalibutType is the name of the type on the wire, the older of its two names as every peer knows it.
func (ScriptStatusRequest) HalibutType() string {
	return legacyTypes + "ScriptStatusRequest" + legacyAssembly
}

// HalibutAliases are the further names that a reader accepts.
func (ScriptStatusRequest) HalibutAliases() []string { return alias("ScriptStatusRequest") }

// CancelScriptCommand asks script service V1 for the end of a script, and for output after LastLogSequence.
type CancelScriptCommand struct {
	Ticket          ScriptTicket `bson:"Ticket"`
	LastLogSequence int64        `bson:"LastLogSequence"`
}

// HalibutType is the name of the type on the wire, the older of its two names as every peer knows it.
func (CancelScriptCommand) HalibutType() string {
	return legacyTypes + "CancelScriptCommand" + legacyAssembly
}

// HalibutAliases are the further names that a reader accepts.
func (CancelScriptCommand) HalibutAliases() []string { return alias("CancelScriptCommand") }

// CompleteScriptCommand asks script service V1 for the last output, after LastLogSequence, and says that the
// Tentacle may forget the script then.
type CompleteScriptCommand struct {
	Ticket          ScriptTicket `bson:"Ticket"`
	LastLogSequence int64        `bson:"LastLogSequence"`
}

// HalibutType is the name of the type on the wire, the older of its two names as every peer knows it.
func (CompleteScriptCommand) HalibutType() string {
	return legacyTypes + "CompleteScriptCommand" + legacyAssembly
}

// HalibutAliases are the further names that a reader accepts.
func (CompleteScriptCommand) HalibutAliases() []string { return alias("CompleteScriptCommand") }

// ScriptStatusResponse is what script service V1 answers: the state of a script and its output after the
// asked sequence. ExitCode is meaningful only when State is Complete.
type ScriptStatusResponse struct {
	Ticket          ScriptTicket    `bson:"Ticket"`
	Logs            []ProcessOutput `bson:"Logs"`
	NextLogSequence int64           `bson:"NextLogSequence"`
	State           ProcessState    `bson:"State"`
	ExitCode        int32           `bson:"ExitCode"`
	// Stored is output before Logs that a Tentacle reads only when it writes the answer. Who asks over the wire has all in Logs.
	Stored *StoredLogs `bson:"-"`
}

// HalibutType is the name of the type on the wire, the older of its two names as every peer knows it.
func (ScriptStatusResponse) HalibutType() string {
	return legacyTypes + "ScriptStatusResponse" + legacyAssembly
}

// HalibutAliases are the further names that a reader accepts.
func (ScriptStatusResponse) HalibutAliases() []string { return alias("ScriptStatusResponse") }

// UnknownV1 is the status by script service V1 of a ticket that nobody started, that is another operator's,
// or that was completed: it cannot be told from a script that succeeded without a word.
func UnknownV1(ticket ScriptTicket, lastLogSequence int64) ScriptStatusResponse {
	return ScriptStatusResponse{
		Ticket: ticket, Logs: []ProcessOutput{}, NextLogSequence: max(lastLogSequence, 0), State: Complete,
	}
}

// maxTask is what a ticket of V1 has of the TaskId.
const maxTask = 60

// TicketV1 is the n-th ticket that a Tentacle makes for script service V1: the time in UTC, the TaskId without
// "ServerTasks-", and n. Characters of the TaskId that no ticket may have become hyphens.
func TicketV1(at time.Time, taskID *string, n int64) ScriptTicket {
	task := ""
	if taskID != nil {
		task = strings.ReplaceAll(*taskID, "ServerTasks-", "")
	}
	task = strings.Map(func(r rune) rune {
		if r > 0x7f || !ValidTicket("x"+string(r)) {
			return '-'
		}
		return r
	}, task)
	task = task[:min(len(task), maxTask)]
	return ScriptTicket{TaskID: at.UTC().Format("20060102150405") + "-" + task + "-" + strconv.FormatInt(n, 10)}
}
