package tentacletest

import (
	"slices"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func requestCases() []testCase {
	return []testCase{
		{name: "capabilities tell services and facts", run: capabilities},
		{name: "null ticket and null body are errors", run: nulls},
		{name: "missing lists are empty", run: missingLists},
		{name: "unknown service and method are errors", run: unknownMethods},
		{name: "health check as Octopus Server sends it", run: octopusHealth},
		{name: "cancel as Octopus Server does it", run: octopusCancel},
	}
}

func capabilities(h *harness) {
	r, err := h.a.GetCapabilities(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	f := tentacle.ParseFacts(r)
	services := []string{
		tentacle.ScriptServiceV1Name, tentacle.FileTransferServiceName, tentacle.ScriptServiceV2Name, tentacle.MantleScriptServiceName,
	}
	if listed := r.SupportedCapabilities; len(listed) < len(services) || !slices.Equal(listed[:len(services)], services) {
		h.Errorf("the list begins with %q, wanted %q", listed, services)
	}
	if f.Version == "" || f.OS == "" || f.Arch == "" || f.Policy == "" || f.Engine == 0 {
		h.Errorf("the facts are %+v, from %q", f, r.SupportedCapabilities)
	}
}

// object is a parameter that says of itself what type it has.
type object struct {
	typeName string
	Ticket   *ticketOrNull `bson:"Ticket"`
	Script   *ticketOrNull `bson:"ScriptTicket"`
	Body     *string       `bson:"ScriptBody"`
	Last     int64         `bson:"LastLogSequence"`
}

type ticketOrNull struct {
	TaskID *string `bson:"TaskId"`
}

func (o object) HalibutType() string { return o.typeName }

func (h *harness) call(service, method string, o object, result any) error {
	h.Helper()
	return h.wire.Call(h.ctx, h.subject.Endpoint, halibut.Call{Service: service, Method: method, Params: []any{o}, Result: result})
}

func nulls(h *harness) {
	var r tentacle.ScriptStatusResponseV2
	body, id := "exit 0", h.ticket().TaskID
	const v2 = tentacle.ScriptServiceV2Name
	start := tentacle.StartScriptCommandV2{}.HalibutType()
	h.final("start without a ticket", h.call(v2, "StartScript", object{typeName: start, Body: &body}, &r))
	h.final("start without a body", h.call(v2, "StartScript", object{typeName: start, Script: &ticketOrNull{&id}}, &r))
	h.final("status", h.call(v2, "GetStatus", object{typeName: tentacle.ScriptStatusRequestV2{}.HalibutType()}, &r))
	h.final("cancel", h.call(v2, "CancelScript", object{typeName: tentacle.CancelScriptCommandV2{}.HalibutType()}, &r))
	h.final("complete", h.call(v2, "CompleteScript", object{typeName: tentacle.CompleteScriptCommandV2{}.HalibutType()}, nil))
	h.final("wait", h.call(tentacle.MantleScriptServiceName, "WaitForStatus",
		object{typeName: tentacle.WaitForStatusCommandV1{}.HalibutType()}, &r))
	h.unknown(h.status(tentacle.ScriptTicket{TaskID: id}, 0), 0)
}

// missingLists sends no Files, Arguments, Scripts and no timeout at all.
func missingLists(h *harness) {
	body, id := "echo a; exit 3", h.ticket().TaskID
	o := object{typeName: tentacle.StartScriptCommandV2{}.HalibutType(), Script: &ticketOrNull{&id}, Body: &body}
	var r tentacle.ScriptStatusResponseV2
	if err := h.call(tentacle.ScriptServiceV2Name, "StartScript", o, &r); err != nil {
		h.Fatal(err)
	}
	if r := h.follow(tentacle.ScriptTicket{TaskID: id}); r.exitCode != 3 {
		h.Fatalf("it ended with %d: %v", r.exitCode, r.logs)
	}
}

func unknownMethods(h *harness) {
	for _, c := range []struct {
		service, method string
		want            halibut.ErrorKind
	}{
		{"INoSuchService", "Hello", halibut.ServiceNotFound},
		{tentacle.ScriptServiceV2Name, "NoSuchMethod", halibut.MethodNotFound},
	} {
		err := h.wire.Call(h.ctx, h.subject.Endpoint, halibut.Call{Service: c.service, Method: c.method})
		h.kind(c.service+"::"+c.method, err, c.want)
	}
}

func (h *harness) kind(what string, err error, want halibut.ErrorKind) {
	h.Helper()
	answer, ok := err.(*halibut.ServerError) //nolint:errorlint // Call returns it as it is.
	if !ok || answer.Kind != want {
		h.Errorf("%s: wanted an error of kind %v, got %v", what, want, err)
	}
}

// octopusStart is a start as Octopus's client writes it, where null and missing differ.
type octopusStart struct {
	Ticket    ticketOrNull      `bson:"ScriptTicket"`
	Body      *string           `bson:"ScriptBody"`
	Task      *string           `bson:"TaskId"`
	Wait      *halibut.TimeSpan `bson:"DurationToWaitForScriptToFinish"`
	Isolation int32             `bson:"Isolation"`
	Timeout   halibut.TimeSpan  `bson:"ScriptIsolationMutexTimeout"`
	Mutex     *string           `bson:"IsolationMutexName"`
	Scripts   map[string]string `bson:"Scripts"`
	Files     []object          `bson:"Files"`
	Arguments *[]string         `bson:"Arguments"`
}

func (octopusStart) HalibutType() string { return tentacle.StartScriptCommandV2{}.HalibutType() }

// octopusForever is the mutex timeout of who wants none: the largest number of milliseconds that an int holds.
const octopusForever = halibut.TimeSpan((1<<31 - 1) * time.Millisecond)

// octopusHealth leaves everything null that may be null, and has a body for each shell.
func octopusHealth(h *harness) {
	powerShell, id := "Write-Host 'not on this machine'; exit 9", h.ticket().TaskID
	for _, body := range []*string{&powerShell, nil} {
		id += "-again"
		start := octopusStart{Ticket: ticketOrNull{&id}, Body: body, Timeout: octopusForever,
			Scripts: map[string]string{tentacle.BashScript: "echo \"$(uname -s)\"; echo '##octopus[stdout-verbose]'; exit 3"}}
		var r tentacle.ScriptStatusResponseV2
		if err := h.octopusStarts(start, &r); err != nil {
			h.Fatal(err)
		}
		k := tentacle.ScriptTicket{TaskID: id}
		if got := h.follow(k); got.exitCode != 3 || len(got.lines(tentacle.StdErr)) != 0 {
			h.Errorf("it ended with %d: %v", got.exitCode, got.logs)
		}
		h.complete(k)
	}
}

// octopusCancel asks by CancelScript again and again instead of GetStatus, from where it had read to.
func octopusCancel(h *harness) {
	id, body := h.ticket().TaskID, "echo ready; sleep 81; echo never"
	var r tentacle.ScriptStatusResponseV2
	if err := h.octopusStarts(octopusStart{Ticket: ticketOrNull{&id}, Body: &body, Wait: seconds(0.2), Timeout: octopusForever, Mutex: &h.mutex}, &r); err != nil {
		h.Fatal(err)
	}
	k := tentacle.ScriptTicket{TaskID: id}
	h.until(k, printed("ready"))
	var lines []string
	for last := int64(0); ; h.nap() {
		r, err := h.a.CancelScript(h.ctx, tentacle.CancelScriptCommandV2{Ticket: k, LastLogSequence: last})
		if err != nil {
			h.Fatal(err)
		}
		for _, o := range h.checkRange(r, k, last) {
			lines = append(lines, o.Text)
		}
		if last = r.NextLogSequence; r.State == tentacle.Complete {
			break
		}
	}
	h.equal([]string{"ready"}, lines)
	h.complete(k)
	h.complete(k)
}

func (h *harness) octopusStarts(start octopusStart, result any) error {
	h.Helper()
	h.Cleanup(func() { h.tidy(tentacle.ScriptTicket{TaskID: *start.Ticket.TaskID}) })
	return h.wire.Call(h.ctx, h.subject.Endpoint, halibut.Call{
		Service: tentacle.ScriptServiceV2Name, Method: "StartScript", Params: []any{start}, Result: result,
	})
}
