package halibut

import (
	"bytes"
	"crypto/sha1"
	"testing"
)

// TestWhatIsStoredInAFileIsDigestedOnItsWay: what is kept in memory is not. It is the same digest where many are computed.
func TestWhatIsStoredInAFileIsDigestedOnItsWay(t *testing.T) {
	of := newDigests(sha1.New)
	for range digestsAtOnce + 1 {
		for size, want := range map[int]bool{spoolMemory: false, spoolMemory + 1: true, 5*digestPart + 17: true} {
			content := bytes.Repeat([]byte("some content "), size/13+1)[:size]
			p := newSpool(t.TempDir(), 0)
			p.digests = of
			s := &DataStream{length: int64(size)}
			if err := p.take(bytes.NewReader(content), s); err != nil {
				t.Fatal(err)
			}
			sum := sha1.Sum(content)
			if got := s.Digest(); want && !bytes.Equal(got, sum[:]) || !want && got != nil {
				t.Errorf("%d bytes have the digest %x", size, got)
			}
		}
		of.begin() // and never ends
	}
	if _, within := of.begin().(*digestWithin); !within {
		t.Error("more are computed at once than may be")
	}
}
