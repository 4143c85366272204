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
	none := func() int64 { return 0 }
	r := room{dir: h.Dir(), free: h.Free, reserve: 500 << 20}
	if _, err := r.admit("a", "UploadFile", 1000, none); err != nil {
		t.Errorf("a small one: %v", err)
	}
	if low := r.low(); low != nil {
		t.Errorf("%d MiB are called low", *low)
	}
	r.reserve = free + 1<<30
	if _, err := r.admit("a", "StartScript", 1000, none); err == nil || !strings.Contains(err.Error(), "low disk space") {
		t.Errorf("a file of a script that could not be started: %v", err)
	}
	if low := r.low(); low == nil || *low > free>>20+100 {
		t.Errorf("that it is too little is told as %v", low)
	}
	_, err = r.admit("a", "UploadFile", 1<<60, none)
	if err == nil || !strings.Contains(err.Error(), "low disk space") {
		t.Errorf("an enormous one: %v", err)
	}
	if _, final := errors.AsType[halibut.FinalError](err); final {
		t.Error("low disk passes, so the refusal must not be final")
	}
}

// transferring is a call that was let in, whose content has come so far as left says.
type transferring struct {
	left    int64
	release func()
}

func onDisk(free *int64, reserve int64) *room {
	return &room{dir: "/home", free: func() (int64, error) { return *free, nil }, reserve: reserve}
}

func (r *room) take(t *testing.T, who, method string, size int64) *transferring {
	t.Helper()
	x := &transferring{left: 2 * size}
	release, err := r.admit(who, method, size, func() int64 { return x.left })
	if err != nil {
		t.Fatalf("%s of %d: %v", method, size, err)
	}
	x.release = release
	return x
}

func (r *room) lacks(who, method string, size int64) bool {
	_, err := r.admit(who, method, size, func() int64 { return 0 })
	return err != nil && strings.Contains(err.Error(), "low disk space")
}

func TestWhatIsBeingReceivedIsNotPromisedTwice(t *testing.T) {
	free := int64(20 << 30)
	r := onDisk(&free, 500<<20)
	first := r.take(t, "a", "UploadFile", 8<<30)
	_, err := r.admit("a", "UploadFile", 8<<30, nil)
	if err == nil || !strings.Contains(err.Error(), "16384 MiB of them for what is being received already") {
		t.Errorf("a second one that fills the disk together with the first: %v", err)
	}
	r.take(t, "a", "StartScript", 1000).release()
	first.release()
	r.take(t, "a", "UploadFile", 8<<30).release()
	if r.lacks("a", "UploadFile", 9<<30) {
		t.Error("room stays promised that was given back")
	}
}

// What has come lies on the disk, where it is not free any more; it must not be counted on top.
func TestWhatHasBeenReceivedIsCountedOnce(t *testing.T) {
	free := int64(20 << 30)
	r := onDisk(&free, 500<<20)
	upload := r.take(t, "a", "UploadFile", 9<<30)
	for range 18 {
		free, upload.left = free-1<<30, upload.left-1<<30
		if r.lacks("a", "StartScript", 500<<20) {
			t.Fatalf("2 GiB stay free when all is there, %d GiB are free and %d still to come: a start is refused", free>>30, upload.left>>30)
		}
		if !r.lacks("a", "UploadFile", 1<<30) {
			t.Fatalf("%d GiB are free and %d still to come: more is let in than fits", free>>30, upload.left>>30)
		}
	}
}

func TestWhatOthersAnnounceLeavesHalfOfTheRoom(t *testing.T) {
	free := int64(20 << 30)
	r := onDisk(&free, 500<<20)
	slow := r.take(t, "a", "UploadFile", 9<<30)
	if r.lacks("b", "StartScript", 4<<30) {
		t.Error("an operator that announces much keeps all others from starting anything")
	}
	if !r.lacks("b", "StartScript", 5<<30) {
		t.Error("what an operator announces counts for nothing with others")
	}
	if !r.lacks("a", "StartScript", 1<<30) {
		t.Error("what an operator announces counts for half with itself")
	}
	slow.release()
	if r.lacks("b", "StartScript", 9<<30) {
		t.Error("when it ended, all is there again")
	}
}

// Uploads, however many, must leave the room that anybody's script needs.
func TestUploadsLeaveRoomForScripts(t *testing.T) {
	free := int64(640 << 20)
	r := onDisk(&free, 500<<20)
	const size = 30 << 20
	taken := 0
	for ; !r.lacks("a", "UploadFile", size); taken++ {
		if free -= size; taken > 100 {
			t.Fatal("there is no end of it")
		}
	}
	if taken == 0 || free < 500<<20 || r.low() != nil {
		t.Errorf("%d uploads leave %d MiB", taken, free>>20)
	}
	free = 100 << 20
	r.take(t, "a", "UploadFile", size).release() // no script could be started here anyway
}
