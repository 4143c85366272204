package tentacletest

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// ask makes the recorded call by our client, and gives what it made of the answer.
func ask(ctx context.Context, c *tentacle.Client, x exchange) (any, error) {
	p := x.asked.message.member("params", "0")
	ticket := tentacle.ScriptTicket{TaskID: p.member("Ticket", "TaskId").text}
	last := int64(p.member("LastLogSequence").number)
	switch x.service() + "::" + x.method() {
	case "ICapabilitiesServiceV2::GetCapabilities":
		return c.GetCapabilities(ctx)
	case "IFileTransferService::UploadFile":
		var content *halibut.DataStream
		if len(x.asked.streams) > 0 {
			content = halibut.NewDataStreamBytes(x.asked.streams[0])
		}
		return c.UploadFile(ctx, p.text, content)
	case "IFileTransferService::DownloadFile":
		return download(c.DownloadFile(ctx, p.text))
	case "IScriptServiceV2::StartScript":
		return c.StartScript(ctx, startV2(p, x.asked.streams))
	case "IScriptServiceV2::GetStatus":
		return c.GetStatus(ctx, tentacle.ScriptStatusRequestV2{Ticket: ticket, LastLogSequence: last})
	case "IScriptServiceV2::CancelScript":
		return c.CancelScript(ctx, tentacle.CancelScriptCommandV2{Ticket: ticket, LastLogSequence: last})
	case "IScriptServiceV2::CompleteScript":
		return nil, c.CompleteScript(ctx, tentacle.CompleteScriptCommandV2{Ticket: ticket})
	case "IScriptService::StartScript":
		return c.StartScriptV1(ctx, startV1(p, x.asked.streams))
	case "IScriptService::GetStatus":
		return v2(c.GetStatusV1(ctx, tentacle.ScriptStatusRequest{Ticket: ticket, LastLogSequence: last}))
	case "IScriptService::CancelScript":
		return v2(c.CancelScriptV1(ctx, tentacle.CancelScriptCommand{Ticket: ticket, LastLogSequence: last}))
	case "IScriptService::CompleteScript":
		return v2(c.CompleteScriptV1(ctx, tentacle.CompleteScriptCommand{Ticket: ticket, LastLogSequence: last}))
	default:
		return nil, fmt.Errorf("no call of ours is %s::%s", x.service(), x.method())
	}
}

func v2(r tentacle.ScriptStatusResponse, err error) (any, error) {
	return tentacle.ScriptStatusResponseV2(r), err
}

// download reads what was downloaded; nil where there was no file.
func download(stream *halibut.DataStream, err error) (any, error) {
	if stream == nil || err != nil {
		return nil, err
	}
	defer stream.Discard()
	r, err := stream.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func startV1(p element, streams [][]byte) tentacle.StartScriptCommand {
	c := tentacle.StartScriptCommand{
		ScriptBody: p.member("ScriptBody").text, Isolation: tentacle.ScriptIsolationLevel(p.member("Isolation").number),
		TaskID: texts(p.member("TaskId")), ScriptIsolationMutexTimeout: span(p.member("ScriptIsolationMutexTimeout")),
		IsolationMutexName: texts(p.member("IsolationMutexName")), Scripts: map[string]string{},
	}
	for _, m := range p.member("Scripts").members {
		c.Scripts[m.name] = m.text
	}
	for _, m := range p.member("Arguments").members {
		c.Arguments = append(c.Arguments, m.text)
	}
	for i, m := range p.member("Files").members {
		c.Files = append(c.Files, tentacle.ScriptFile{Name: m.member("Name").text, Contents: halibut.NewDataStreamBytes(streams[i]),
			EncryptionPassword: texts(m.member("EncryptionPassword"))})
	}
	return c
}

func startV2(p element, streams [][]byte) tentacle.StartScriptCommandV2 {
	c := startV1(p, streams).Under(tentacle.ScriptTicket{TaskID: p.member("ScriptTicket", "TaskId").text})
	if wait := p.member("DurationToWaitForScriptToFinish"); !wait.isNull() {
		d := span(wait)
		c.DurationToWaitForScriptToFinish = &d
	}
	return c
}

func texts(e element) *string {
	if e.isNull() {
		return nil
	}
	return &e.text
}

// span reads a TimeSpan as .NET writes it; see halibut.md section 3.4.
func span(e element) halibut.TimeSpan {
	d, err := halibut.ParseTimeSpan(e.text)
	if err != nil {
		panic(err)
	}
	return d
}

// recorded is what a recorded answer says.
func recorded(x exchange) any {
	r := x.told.message.member("result")
	switch {
	case r.isNull():
		return nil
	case len(x.told.streams) > 0:
		return x.told.streams[0]
	case !r.member("SupportedCapabilities").isNull():
		var c tentacle.CapabilitiesResponseV2
		for _, m := range r.member("SupportedCapabilities").members {
			c.SupportedCapabilities = append(c.SupportedCapabilities, m.text)
		}
		return c
	case !r.member("FullPath").isNull():
		return tentacle.UploadResult{FullPath: r.member("FullPath").text, Hash: texts(r.member("Hash")), Length: int64(r.member("Length").number)}
	case r.member("Logs").isNull():
		return tentacle.ScriptTicket{TaskID: r.member("TaskId").text}
	}
	s := tentacle.ScriptStatusResponseV2{Ticket: tentacle.ScriptTicket{TaskID: r.member("Ticket", "TaskId").text}, Logs: []tentacle.ProcessOutput{},
		NextLogSequence: int64(r.member("NextLogSequence").number), State: tentacle.ProcessState(r.member("State").number), ExitCode: int32(r.member("ExitCode").number)}
	for _, m := range r.member("Logs").members {
		s.Logs = append(s.Logs, tentacle.ProcessOutput{Source: tentacle.ProcessOutputSource(m.member("Source").number),
			Occurred: time.UnixMilli(int64(m.member("Occurred").number)).UTC(), Text: m.member("Text").text})
	}
	return s
}
