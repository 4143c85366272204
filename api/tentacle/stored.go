package tentacle

import (
	"strings"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/halibut"
)

// StoredLogs is output that is read when it is needed.
type StoredLogs struct {
	// Each calls yield with one entry after the other, the same whenever it is called, and returns when yield fails. It may be
	// called until the request is answered.
	Each func(yield func(ProcessOutput) error) error
	// Count is how many entries there are, and Text the bytes of their texts, where what is not UTF-8 counts as the replacement
	// character.
	Count int
	Text  int64
}

// Hold reads what is stored into Logs.
func (r *ScriptStatusResponseV2) Hold() error {
	if r.Stored == nil {
		return nil
	}
	all := make([]ProcessOutput, 0, r.Stored.Count+len(r.Logs))
	err := r.Stored.Each(func(o ProcessOutput) error {
		all = append(all, o)
		return nil
	})
	r.Logs, r.Stored = append(all, r.Logs...), nil
	return err
}

// answerOnWire is an answer with Stored.
type answerOnWire struct {
	Ticket          ScriptTicket     `bson:"Ticket"`
	Logs            halibut.Sequence `bson:"Logs"`
	NextLogSequence int64            `bson:"NextLogSequence"`
	State           ProcessState     `bson:"State"`
	ExitCode        int32            `bson:"ExitCode"`
}

// HalibutType is the name of the type on the wire.
func (answerOnWire) HalibutType() string { return ScriptStatusResponseV2{}.HalibutType() }

type answerV1OnWire answerOnWire

// HalibutType is the name of the type on the wire.
func (answerV1OnWire) HalibutType() string { return ScriptStatusResponse{}.HalibutType() }

// onWire is the answer as it is written.
func (r ScriptStatusResponseV2) onWire() any {
	if r.Stored == nil {
		return r
	}
	return answerOnWire{r.Ticket, r.sequence(), r.NextLogSequence, r.State, r.ExitCode}
}

func (r ScriptStatusResponse) onWire() any {
	if r.Stored == nil {
		return r
	}
	return answerV1OnWire(ScriptStatusResponseV2(r).onWire().(answerOnWire))
}

func (r ScriptStatusResponseV2) sequence() halibut.Sequence {
	text := r.Stored.Text
	for _, o := range r.Logs {
		text += int64(len(strings.ToValidUTF8(o.Text, string(utf8.RuneError))))
	}
	return halibut.Sequence{Count: r.Stored.Count + len(r.Logs), Empty: &ProcessOutput{}, Text: text, Each: r.eachRecord}
}

func (r ScriptStatusResponseV2) eachRecord(yield func(halibut.Record) error) error {
	var line ProcessOutput // one for all, so that none is allocated
	err := r.Stored.Each(func(o ProcessOutput) error {
		line = o
		return yield(&line)
	})
	if err != nil {
		return err
	}
	for i := range r.Logs {
		if err := yield(&r.Logs[i]); err != nil {
			return err
		}
	}
	return nil
}

// written makes an answer one that is written.
func written(r interface{ onWire() any }, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return r.onWire(), nil
}
