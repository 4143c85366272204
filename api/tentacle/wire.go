package tentacle

import (
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// The requests as they arrive: here null and empty differ.

type ticketOnWire struct {
	TaskID *string `bson:"TaskId"`
}

func (t *ticketOnWire) id() (string, error) {
	if t == nil || t.TaskID == nil {
		return "", halibut.FinalError{Err: errNullTicket}
	}
	return *t.TaskID, nil
}

type startOnWire struct {
	ScriptTicket                    *ticketOnWire        `bson:"ScriptTicket"`
	ScriptBody                      *string              `bson:"ScriptBody"`
	TaskID                          string               `bson:"TaskId"`
	DurationToWaitForScriptToFinish *halibut.TimeSpan    `bson:"DurationToWaitForScriptToFinish"`
	Isolation                       ScriptIsolationLevel `bson:"Isolation"`
	ScriptIsolationMutexTimeout     halibut.TimeSpan     `bson:"ScriptIsolationMutexTimeout"`
	IsolationMutexName              *string              `bson:"IsolationMutexName"`
	Scripts                         map[shell]string     `bson:"Scripts"`
	Files                           []ScriptFile         `bson:"Files"`
	Arguments                       []string             `bson:"Arguments"`
}

func (startOnWire) HalibutType() string { return StartScriptCommandV2{}.HalibutType() }

func (w startOnWire) command(id string) StartScriptCommandV2 {
	c := StartScriptCommandV2{
		ScriptTicket:                ScriptTicket{TaskID: id},
		TaskID:                      w.TaskID,
		Isolation:                   w.Isolation,
		ScriptIsolationMutexTimeout: max(w.ScriptIsolationMutexTimeout, 0),
		IsolationMutexName:          w.IsolationMutexName,
		Scripts:                     bodies(w.Scripts),
		Files:                       w.Files,
		Arguments:                   w.Arguments,
	}
	if w.ScriptBody != nil {
		c.ScriptBody = *w.ScriptBody
	}
	if w.DurationToWaitForScriptToFinish != nil {
		wait := min(max(*w.DurationToWaitForScriptToFinish, 0), halibut.TimeSpan(MaxWait))
		c.DurationToWaitForScriptToFinish = &wait
	}
	return c
}

// Starting is the script that a request is about to start, by either script service, while its files are still to
// arrive. Of one of V1, which has no ticket yet, the ticket is empty, and so is one that is null.
func Starting(a halibut.Arrival) (c StartScriptCommandV2, ok bool) {
	if len(a.Arguments) == 0 {
		return c, false
	}
	switch w := a.Arguments[0].(type) {
	case startOnWire:
		id, _ := w.ScriptTicket.id() // which is judged when it is called
		return w.command(id), true
	case startV1OnWire:
		return w.command().Under(ScriptTicket{}), true
	default:
		return c, false
	}
}

type statusOnWire struct {
	Ticket          *ticketOnWire `bson:"Ticket"`
	LastLogSequence int64         `bson:"LastLogSequence"`
}

func (statusOnWire) HalibutType() string { return ScriptStatusRequestV2{}.HalibutType() }

type cancelOnWire statusOnWire

func (cancelOnWire) HalibutType() string { return CancelScriptCommandV2{}.HalibutType() }

type completeOnWire struct {
	Ticket *ticketOnWire `bson:"Ticket"`
}

func (completeOnWire) HalibutType() string { return CompleteScriptCommandV2{}.HalibutType() }

type waitOnWire struct {
	Ticket          *ticketOnWire    `bson:"Ticket"`
	LastLogSequence int64            `bson:"LastLogSequence"`
	MaxWait         halibut.TimeSpan `bson:"MaxWait"`
}

func (waitOnWire) HalibutType() string { return WaitForStatusCommandV1{}.HalibutType() }

// Refused is the status with which a Tentacle refuses to run a script, or tells why one never ran: Complete,
// the exit code, and why as the one line of its output, on StdErr.
func Refused(ticket ScriptTicket, exitCode int32, why string) ScriptStatusResponseV2 {
	return ScriptStatusResponseV2{
		Ticket:          ticket,
		Logs:            []ProcessOutput{{Source: StdErr, Occurred: time.Now().UTC(), Text: why}},
		NextLogSequence: 1,
		State:           Complete,
		ExitCode:        exitCode,
	}
}

type startV1OnWire struct {
	ScriptBody                  *string              `bson:"ScriptBody"`
	Isolation                   ScriptIsolationLevel `bson:"Isolation"`
	Scripts                     map[shell]string     `bson:"Scripts"`
	Files                       []ScriptFile         `bson:"Files"`
	Arguments                   []string             `bson:"Arguments"`
	TaskID                      *string              `bson:"TaskId"`
	ScriptIsolationMutexTimeout halibut.TimeSpan     `bson:"ScriptIsolationMutexTimeout"`
	IsolationMutexName          *string              `bson:"IsolationMutexName"`
}

func (startV1OnWire) HalibutType() string      { return StartScriptCommand{}.HalibutType() }
func (startV1OnWire) HalibutAliases() []string { return StartScriptCommand{}.HalibutAliases() }

func (w startV1OnWire) command() StartScriptCommand {
	c := StartScriptCommand{
		Isolation: w.Isolation, Scripts: bodies(w.Scripts), Files: w.Files, Arguments: w.Arguments, TaskID: w.TaskID,
		ScriptIsolationMutexTimeout: max(w.ScriptIsolationMutexTimeout, 0), IsolationMutexName: w.IsolationMutexName,
	}
	if w.ScriptBody != nil {
		c.ScriptBody = *w.ScriptBody
	}
	return c
}

type statusV1OnWire statusOnWire

func (statusV1OnWire) HalibutType() string      { return ScriptStatusRequest{}.HalibutType() }
func (statusV1OnWire) HalibutAliases() []string { return ScriptStatusRequest{}.HalibutAliases() }

type cancelV1OnWire statusOnWire

func (cancelV1OnWire) HalibutType() string      { return CancelScriptCommand{}.HalibutType() }
func (cancelV1OnWire) HalibutAliases() []string { return CancelScriptCommand{}.HalibutAliases() }

type completeV1OnWire statusOnWire

func (completeV1OnWire) HalibutType() string      { return CompleteScriptCommand{}.HalibutType() }
func (completeV1OnWire) HalibutAliases() []string { return CompleteScriptCommand{}.HalibutAliases() }
