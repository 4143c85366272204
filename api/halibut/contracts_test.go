package halibut

import (
	"reflect"
	"time"
)

// The contracts of a Tentacle as the vectors and the recordings have them (halibut.md section 6.3).
type (
	ticket struct {
		TaskID string `bson:"TaskId"`
	}
	scriptFile struct {
		Name               string
		Contents           *DataStream
		EncryptionPassword *string
	}
	outputLine struct {
		Source   int32
		Occurred time.Time
		Text     string
	}
	startScript struct {
		ScriptTicket                    ticket
		ScriptBody                      string
		TaskID                          string `bson:"TaskId"`
		DurationToWaitForScriptToFinish *TimeSpan
		Isolation                       int32
		ScriptIsolationMutexTimeout     TimeSpan
		IsolationMutexName              *string
		Scripts                         map[string]string
		Files                           []scriptFile
		Arguments                       []string
	}
	statusRequest struct {
		Ticket          ticket
		LastLogSequence int64
	}
	cancelScript struct {
		Ticket          ticket
		LastLogSequence int64
	}
	completeScript struct{ Ticket ticket }
	scriptStatus   struct {
		Ticket          ticket
		Logs            []outputLine
		NextLogSequence int64
		State           int32
		ExitCode        int32
	}
	uploadResult struct {
		FullPath string
		Hash     *string
		Length   int64
	}
	capabilities struct{ SupportedCapabilities []string }
	oldTicket    struct {
		TaskID string `bson:"TaskId"`
	}
)

const v2Types, contracts = "Octopus.Tentacle.Contracts.ScriptServiceV2.", ", Octopus.Tentacle.Contracts"

func (startScript) HalibutType() string    { return v2Types + "StartScriptCommandV2" + contracts }
func (statusRequest) HalibutType() string  { return v2Types + "ScriptStatusRequestV2" + contracts }
func (cancelScript) HalibutType() string   { return v2Types + "CancelScriptCommandV2" + contracts }
func (completeScript) HalibutType() string { return v2Types + "CompleteScriptCommandV2" + contracts }
func (scriptStatus) HalibutType() string   { return v2Types + "ScriptStatusResponseV2" + contracts }
func (uploadResult) HalibutType() string {
	return "Octopus.Shared.Contracts.UploadResult, Octopus.Shared"
}
func (capabilities) HalibutType() string {
	return "Octopus.Tentacle.Contracts.Capabilities.CapabilitiesResponseV2" + contracts
}
func (oldTicket) HalibutType() string { return "Octopus.Shared.Contracts.ScriptTicket, Octopus.Shared" }

// signatures are the parameters and the result of the methods that the recordings call.
var signatures = map[string]struct {
	params []reflect.Type
	result reflect.Type
}{
	"GetCapabilities": {nil, reflect.TypeFor[capabilities]()},
	"StartScript":     {[]reflect.Type{reflect.TypeFor[startScript]()}, reflect.TypeFor[scriptStatus]()},
	"GetStatus":       {[]reflect.Type{reflect.TypeFor[statusRequest]()}, reflect.TypeFor[scriptStatus]()},
	"CancelScript":    {[]reflect.Type{reflect.TypeFor[cancelScript]()}, reflect.TypeFor[scriptStatus]()},
	"CompleteScript":  {[]reflect.Type{reflect.TypeFor[completeScript]()}, nil},
	"UploadFile":      {[]reflect.Type{reflect.TypeFor[string](), dataStreamPointer}, reflect.TypeFor[uploadResult]()},
	"DownloadFile":    {[]reflect.Type{reflect.TypeFor[string]()}, dataStreamPointer},
}
