package tentacletest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// story is the state of a playback: what was told in the recording, and what was heard now.
type story struct {
	*testing.T
	told, heard *tale
	conn        *tls.Conn
	reader      *bufio.Reader
	// asked is the last request, whose answer comes next.
	asked element
	over  bool
	// odd says that the errors' messages are the listener's own.
	odd bool
	// made are the tickets that the listener made, by those that the recorded one had made.
	made map[string]string
}

func (s *story) connection(conn *tls.Conn, steps []recordedStep) { //nolint:cyclop // the steps of a recording, in their order
	s.Helper()
	s.conn, s.reader, s.over = conn, bufio.NewReader(conn), false
	before := int64(0)
	for i := 0; i < len(steps) && !s.over; i++ {
		step := steps[i]
		if gap := time.Duration(step.MS-before) * time.Millisecond; step.From == "client" && gap > pace && i > 0 {
			time.Sleep(gap)
		}
		before = step.MS
		switch {
		case step.Event == "close" && step.From == "client":
			return
		case step.Event == "close":
			s.closes()
		case step.From == "client":
			s.say(step)
		default:
			last := i
			for last+1 < len(steps) && steps[last+1].From == "server" && steps[last+1].Hex != "" {
				last++
			}
			s.answer(steps[i : last+1])
			i, before = last, steps[last].MS
		}
	}
}

// closes waits for the listener to close without another word.
func (s *story) closes() {
	s.Helper()
	s.over = true
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	b, err := s.reader.ReadByte()
	if err == nil {
		s.Fatalf("the listener should have closed, and said %q", b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.Fatalf("the listener should have closed, and was silent")
	}
}

func (s *story) say(step recordedStep) {
	s.Helper()
	record := s.bytes(step)
	if root, message, ok := request(record); ok {
		s.asked = message
		switch message.member("method").text {
		case "CancelScript":
			s.catchUp(message)
		case "CompleteScript":
			s.finish(message)
		}
		record = s.adapt(root, message, record)
	}
	s.write(record)
}

// adapt puts into a request what this listener gave in the place of what the recorded one had given: the place
// in the output, and the ticket where the listener makes it.
func (s *story) adapt(root, message element, record []byte) []byte {
	ticket := ticketOf(message)
	last, has := asksAfter(message)
	made, replaced := s.made[ticket]
	if !has && !replaced {
		return record
	}
	command := []string{"Message", "params", "0"}
	if has {
		root = root.with(long("", s.heard.translate(s.told, ticket, last)), append(command, "LastLogSequence")...)
	}
	if replaced {
		root = root.with(text("", made), append(command, "Ticket", "TaskId")...)
	}
	return deflate(root.document())
}

func (s *story) write(record []byte) {
	s.Helper()
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.conn.Write(record); err != nil {
		// Who is refused may hear of it while still speaking.
		s.Logf("writing: %v", err)
	}
}

// answer reads as many utterances as the recorded records hold and compares each.
func (s *story) answer(steps []recordedStep) {
	s.Helper()
	var all []byte
	lost := false
	for _, step := range steps {
		all = append(all, s.bytes(step)...)
		lost = lost || step.Lost
	}
	recorded := bufio.NewReader(bytes.NewReader(all))
	for {
		if _, err := recorded.Peek(1); errors.Is(err, io.EOF) {
			return
		}
		want, err := hear(recorded)
		if err != nil {
			s.Fatalf("reading the recording: %v", err)
		}
		got := s.listen()
		if lost {
			continue
		}
		if want.control != got.control {
			s.Fatalf("the listener said %q, recorded is %q", got.control, want.control)
		}
		if want.control == "" {
			if ticket := want.message.member("result", "TaskId"); !ticket.isNull() {
				s.made[ticket.text] = got.message.member("result", "TaskId").text
			}
			s.told.take(s.asked, want)
			s.heard.take(s.asked, got)
			s.compare(want, got)
		}
	}
}

func (s *story) listen() utterance {
	s.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	got, err := hear(s.reader)
	if err != nil {
		s.Fatalf("after the call of %s: %v", s.asked.member("method").text, err)
	}
	return got
}

// finish polls until the script that is about to be completed has ended, if it had in the recording.
func (s *story) finish(message element) {
	s.Helper()
	ticket := ticketOf(message)
	if s.told.ended(ticket) {
		s.until(message, "does not end", func() bool { return s.heard.ended(ticket) })
	}
}

// catchUp polls until the script that is about to be cancelled has printed what it had in the recording.
func (s *story) catchUp(message element) {
	s.Helper()
	ticket := ticketOf(message)
	s.until(message, "prints too little", func() bool {
		return len(s.heard.script(ticket).own(tentacle.StdOut)) >= len(s.told.script(ticket).own(tentacle.StdOut))
	})
}

// until polls before a request until what was heard of its script is as it should be, or fails with what is wrong.
func (s *story) until(message element, wrong string, done func() bool) {
	s.Helper()
	ticket := ticketOf(message)
	for deadline := time.Now().Add(patience); !done(); s.poll(message, ticket) {
		if time.Now().After(deadline) {
			s.Fatalf("the script of %s %s", ticket, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// poll asks for a status that the recorded client did not ask for, by the service that it is about to ask to
// cancel or complete the script, between its NEXT and that request.
func (s *story) poll(complete element, ticket string) {
	s.Helper()
	service := complete.member("service").text
	typeName := tentacle.ScriptStatusRequestV2{}.HalibutType()
	if service == tentacle.ScriptServiceV1Name {
		typeName = tentacle.ScriptStatusRequest{}.HalibutType()
	}
	root := statusRequest(service, typeName, ticket, s.heard.last(ticket))
	asked := root.member("Message")
	s.write(s.adapt(root, asked, deflate(root.document())))
	s.heard.take(asked, s.listen())
	s.write([]byte("NEXT\r\n"))
	if proceed := s.listen(); proceed.control != "PROCEED" {
		s.Fatalf("after NEXT the listener said %+v", proceed)
	}
}

func (s *story) bytes(step recordedStep) []byte {
	s.Helper()
	b, err := hex.DecodeString(step.Hex)
	if err != nil {
		s.Fatalf("reading the recording: %v", err)
	}
	return b
}
