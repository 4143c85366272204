package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

func TestATransferThatTheDiskHasNoRoomForIsRefusedForNow(t *testing.T) {
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	free, err := h.Free()
	if err != nil {
		t.Fatal(err)
	}
	r := room{home: h, reserve: 500 << 20}
	if _, err := r.admit("UploadFile", 1000); err != nil {
		t.Errorf("a small one: %v", err)
	}
	if low := r.low(); low != nil {
		t.Errorf("%d MiB are called low", *low)
	}
	r.reserve = free + 1<<30
	if _, err := r.admit("StartScript", 1000); err == nil || !strings.Contains(err.Error(), "low disk space") {
		t.Errorf("a file of a script that could not be started: %v", err)
	}
	if low := r.low(); low == nil || *low > free>>20+100 {
		t.Errorf("that it is too little is told as %v", low)
	}
	_, err = r.admit("UploadFile", 1<<60)
	if err == nil || !strings.Contains(err.Error(), "low disk space") {
		t.Errorf("an enormous one: %v", err)
	}
	if _, final := errors.AsType[halibut.FinalError](err); final {
		t.Error("low disk passes, so the refusal must not be final")
	}
}

func TestWhatIsBeingReceivedIsNotPromisedTwice(t *testing.T) {
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	free, err := h.Free()
	if err != nil {
		t.Fatal(err)
	}
	r := room{home: h}
	release, err := r.admit("UploadFile", free/3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.admit("UploadFile", free/3); err == nil || !strings.Contains(err.Error(), "for what is being received already") {
		t.Errorf("a second one that fills the disk together with the first: %v", err)
	}
	small, err := r.admit("UploadFile", 1000)
	if err != nil {
		t.Errorf("a small one beside it: %v", err)
	}
	release()
	small()
	if again, err := r.admit("UploadFile", free/3); err != nil {
		t.Errorf("when the first was received: %v", err)
	} else {
		again()
	}
	if r.promised != 0 {
		t.Errorf("%d bytes stay promised", r.promised)
	}
}
