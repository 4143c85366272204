package tentacle

import (
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// The exit codes that a Tentacle itself gives (halibut.md section 6.2; from -48 on they are Mantle's).
const (
	ExitFatal              int32 = -41
	ExitLaunchFailed       int32 = -42
	ExitCanceled           int32 = -43
	ExitTimeout            int32 = -44
	ExitUnknownScript      int32 = -45
	ExitUnknownResult      int32 = -46
	ExitPowerShellNotBegun int32 = -47
	ExitRefused            int32 = -48
	ExitBadTicket          int32 = -49
	ExitAlreadyCompleted   int32 = -50
	ExitLost               int32 = -51
	ExitAbandoned          int32 = -52
)

// The names of the services, as the wire has them.
const (
	CapabilitiesServiceName = "ICapabilitiesServiceV2"
	ScriptServiceV1Name     = "IScriptService"
	ScriptServiceV2Name     = "IScriptServiceV2"
	FileTransferServiceName = "IFileTransferService"
	MantleScriptServiceName = "IMantleScriptServiceV1"
)

const (
	scriptV2Types = "Octopus.Tentacle.Contracts.ScriptServiceV2."
	contracts     = ", Octopus.Tentacle.Contracts"
)

// ScriptTicket is the identity of one attempt of one action. It is chosen by the caller; starting a
// ticket twice starts it once.
type ScriptTicket struct {
	TaskID string `bson:"TaskId"`
}

// ScriptFile is a file that travels with a script and lies beside it in its folder.
type ScriptFile struct {
	Name               string              `bson:"Name"`
	Contents           *halibut.DataStream `bson:"Contents"`
	EncryptionPassword *string             `bson:"EncryptionPassword"`
}

// ProcessOutput is one line of output without its line end. Occurred has millisecond precision and is
// the Tentacle's clock: never order by it.
type ProcessOutput struct {
	Source ProcessOutputSource `bson:"Source"`
	// Continues says that this is a piece of a line that goes on in the next entry, and that both have one sequence number.
	// It is not on the wire; see Client.Passing.
	Continues bool `bson:"-"`

	Occurred time.Time `bson:"Occurred"`
	Text     string    `bson:"Text"`
}

// HalibutFields names the members that are on the wire.
func (o *ProcessOutput) HalibutFields(f *halibut.Fields) {
	f.Int32("Source", (*int32)(&o.Source))
	f.Time("Occurred", &o.Occurred)
	f.Text("Text", &o.Text)
}

// StartScriptCommandV2 starts a script, or asks for the status of one that was started before.
type StartScriptCommandV2 struct {
	ScriptTicket                    ScriptTicket         `bson:"ScriptTicket"`
	ScriptBody                      string               `bson:"ScriptBody"`
	TaskID                          string               `bson:"TaskId"`
	DurationToWaitForScriptToFinish *halibut.TimeSpan    `bson:"DurationToWaitForScriptToFinish"`
	Isolation                       ScriptIsolationLevel `bson:"Isolation"`
	ScriptIsolationMutexTimeout     halibut.TimeSpan     `bson:"ScriptIsolationMutexTimeout"`
	IsolationMutexName              *string              `bson:"IsolationMutexName"`
	// Scripts holds the body per shell ("PowerShell", "Bash"); it goes before ScriptBody.
	Scripts   map[string]string `bson:"Scripts"`
	Files     []ScriptFile      `bson:"Files"`
	Arguments []string          `bson:"Arguments"`
}

// HalibutType is the name of the type on the wire.
func (StartScriptCommandV2) HalibutType() string {
	return scriptV2Types + "StartScriptCommandV2" + contracts
}

// ScriptStatusRequestV2 asks for the status, and for output after LastLogSequence.
type ScriptStatusRequestV2 struct {
	Ticket          ScriptTicket `bson:"Ticket"`
	LastLogSequence int64        `bson:"LastLogSequence"`
}

// HalibutType is the name of the type on the wire.
func (ScriptStatusRequestV2) HalibutType() string {
	return scriptV2Types + "ScriptStatusRequestV2" + contracts
}

// CancelScriptCommandV2 asks for the end of a script and for output after LastLogSequence.
type CancelScriptCommandV2 struct {
	Ticket          ScriptTicket `bson:"Ticket"`
	LastLogSequence int64        `bson:"LastLogSequence"`
}

// HalibutType is the name of the type on the wire.
func (CancelScriptCommandV2) HalibutType() string {
	return scriptV2Types + "CancelScriptCommandV2" + contracts
}

// CompleteScriptCommandV2 says that the caller has the result; the Tentacle may forget the script.
type CompleteScriptCommandV2 struct {
	Ticket ScriptTicket `bson:"Ticket"`
}

// HalibutType is the name of the type on the wire.
func (CompleteScriptCommandV2) HalibutType() string {
	return scriptV2Types + "CompleteScriptCommandV2" + contracts
}

// ScriptStatusResponseV2 is the state of a script and its output after the asked sequence.
// ExitCode is meaningful only when State is Complete.
type ScriptStatusResponseV2 struct {
	Ticket          ScriptTicket    `bson:"Ticket"`
	Logs            []ProcessOutput `bson:"Logs"`
	NextLogSequence int64           `bson:"NextLogSequence"`
	State           ProcessState    `bson:"State"`
	ExitCode        int32           `bson:"ExitCode"`
	// Stored is output before Logs that a Tentacle reads only when it writes the answer. Who asks over the wire has all in Logs.
	Stored *StoredLogs `bson:"-"`
}

// HalibutType is the name of the type on the wire.
func (ScriptStatusResponseV2) HalibutType() string {
	return scriptV2Types + "ScriptStatusResponseV2" + contracts
}

// WaitForStatusCommandV1 is GetStatus that answers when there is something to say, at the latest after
// MaxWait. It is Mantle's one addition to the wire.
type WaitForStatusCommandV1 struct {
	Ticket          ScriptTicket     `bson:"Ticket"`
	LastLogSequence int64            `bson:"LastLogSequence"`
	MaxWait         halibut.TimeSpan `bson:"MaxWait"`
}

// HalibutType is the name of the type on the wire.
func (WaitForStatusCommandV1) HalibutType() string {
	return "Mantle.Tentacle.Contracts.WaitForStatusCommandV1, Mantle.Tentacle.Contracts"
}

// UploadResult tells where a file was written, its SHA-1 in lower-case hex, and its size in bytes.
type UploadResult struct {
	FullPath string  `bson:"FullPath"`
	Hash     *string `bson:"Hash"`
	Length   int64   `bson:"Length"`
}

// HalibutType is the name of the type on the wire, the older of its two names as every peer knows it.
func (UploadResult) HalibutType() string {
	return legacyTypes + "UploadResult" + legacyAssembly
}

// HalibutAliases are the further names that a reader accepts.
func (UploadResult) HalibutAliases() []string {
	return alias("UploadResult")
}

// CapabilitiesResponseV2 lists what a Tentacle offers: names of services, and facts such as
// "mantle.version=1.2.3".
type CapabilitiesResponseV2 struct {
	SupportedCapabilities []string `bson:"SupportedCapabilities"`
}

// HalibutType is the name of the type on the wire.
func (CapabilitiesResponseV2) HalibutType() string {
	return "Octopus.Tentacle.Contracts.Capabilities.CapabilitiesResponseV2" + contracts
}
